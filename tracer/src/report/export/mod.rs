//! The report in the formats of other tools, each made from the finished value: nothing is computed but the shape.
//!
//! What a report has no room for is in each of them too, as `[omitted]`, so that totals agree to the unit.

pub mod collapsed;
pub mod flame;
mod interned;
pub mod lines;
pub mod markdown;
pub mod perfetto;
pub mod pprof;
pub mod speedscope;
mod weights;

pub use weights::Measure;

#[cfg(test)]
mod tests;
