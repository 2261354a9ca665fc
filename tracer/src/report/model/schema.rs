//! The name of the report object's shape.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Stands for `"tracer.report/1"`; a report of another shape is refused when it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schema;

impl Schema {
    /// The shape that this build writes and reads.
    pub const NAME: &'static str = "tracer.report/1";
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::NAME)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name != Self::NAME {
            return Err(D::Error::invalid_value(Unexpected::Str(&name), &Self::NAME));
        }
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_another_shape() {
        assert!(serde_json::from_str::<Schema>(r#""tracer.report/1""#).is_ok());
        let refused = serde_json::from_str::<Schema>(r#""tracer.report/2""#).unwrap_err();
        assert!(refused.to_string().contains("expected tracer.report/1"), "{refused}");
    }
}
