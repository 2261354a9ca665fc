//! What a report says of itself: what was lost, what there was no room for, what the budget gave up.

mod budget;
mod limits;
mod loss;
