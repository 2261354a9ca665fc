//! What is known of any process, Python or not: its id and when it ends, its threads, what is mapped into its memory, the
//! files behind that, its namespaces.

pub mod allowance;
pub mod cgroup;
pub mod comm;
pub mod deadline;
pub mod elf;
pub mod error;
pub mod facts;
pub mod machine_code;
pub mod maps;
pub mod masks;
pub mod namespace;
pub mod open;
mod record;
pub mod sleep;
mod thread_status;

pub use deadline::Deadline;
pub use error::Error;
pub use facts::Process;
pub use masks::Masks;
pub use thread_status::ThreadStatus;
