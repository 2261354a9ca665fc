//! What the running kernel has: field offsets from its BTF, and what else it can do.

pub mod btf;
pub mod features;
