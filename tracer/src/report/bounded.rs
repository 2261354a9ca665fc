//! Lists that end in a row of totals when they grow too long, so that their sums stay whole.

use std::cmp::Reverse;

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A row of a list that the report bounds.
pub trait Row {
    /// The figures of the row that can be added up.
    type Totals: Clone + Default;

    /// Most entries of the list in a report, the row of totals included.
    const LIMIT: usize = 1_000;

    /// Adds the figures of this row.
    fn add_to(&self, totals: &mut Self::Totals);
}

/// The last row of a list that was too long: how many rows it stands for, and what they add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Omitted<T> {
    /// Rows that were left out.
    pub omitted: u64,
    /// Their figures.
    #[serde(flatten)]
    pub totals: T,
}

/// The totals of a list whose rows hold nothing that can be added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoTotals {}

/// Rows, dearest first, and the totals of those that did not fit: one flat list in JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounded<R: Row> {
    /// The rows that fit.
    pub rows: Vec<R>,
    /// What the others add up to.
    pub rest: Option<Omitted<R::Totals>>,
}

/// Keeps at most `limit` entries of `rows`; where they are more, the last entry is the totals of the others. Rows that are not
/// kept are added up as they come, so that only `limit` of them are in memory.
pub fn bounded<R: Row>(rows: impl IntoIterator<Item = R>, limit: usize) -> Bounded<R> {
    let mut others = rows.into_iter();
    let mut rows: Vec<R> = others.by_ref().take(limit).collect();
    let Some(next) = others.next() else { return Bounded { rows, rest: None } };
    let mut rest = Omitted::default();
    for row in rows.split_off(limit.saturating_sub(1)).into_iter().chain([next]).chain(others) {
        rest.add(&row);
    }
    Bounded { rows, rest: Some(rest) }
}

impl<T> Omitted<T> {
    fn add<R: Row<Totals = T>>(&mut self, row: &R) {
        self.omitted += 1;
        row.add_to(&mut self.totals);
    }
}

impl<R: Row> Bounded<R> {
    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.rest.is_none()
    }

    /// The first `count` rows, and all the others in one.
    pub fn top(&self, count: usize) -> (&[R], Option<Omitted<R::Totals>>) {
        let (top, others) = self.rows.split_at(count.min(self.rows.len()));
        (top, fold(others, self.rest.clone()))
    }

    /// The `count` rows of the highest cost, and all the others in one.
    pub fn dearest<C: Ord>(
        &self,
        count: usize,
        cost: impl Fn(&R) -> C,
    ) -> (Vec<&R>, Option<Omitted<R::Totals>>) {
        let mut rows: Vec<&R> = self.rows.iter().collect();
        rows.sort_by_key(|row| Reverse(cost(row)));
        let others = rows.split_off(count.min(rows.len()));
        (rows, fold(others, self.rest.clone()))
    }

    /// Every row in one: how many there are, and what they add up to.
    pub fn sum(&self) -> Omitted<R::Totals> {
        self.top(0).1.unwrap_or_default()
    }
}

fn fold<'a, R: Row + 'a>(
    rows: impl IntoIterator<Item = &'a R>,
    start: Option<Omitted<R::Totals>>,
) -> Option<Omitted<R::Totals>> {
    rows.into_iter().fold(start, |rest, row| {
        let mut rest = rest.unwrap_or_default();
        rest.add(row);
        Some(rest)
    })
}

/// Adds what is known; a total is unknown only if no row knew.
pub fn add_known(total: &mut Option<u64>, value: Option<u64>) {
    if let Some(value) = value {
        *total = Some(total.unwrap_or(0) + value);
    }
}

impl<R: Row> Default for Bounded<R> {
    fn default() -> Self {
        Self { rows: Vec::new(), rest: None }
    }
}

/// Bounds the rows as the contract says for this kind of list.
impl<R: Row> From<Vec<R>> for Bounded<R> {
    fn from(rows: Vec<R>) -> Self {
        bounded(rows, R::LIMIT)
    }
}

/// Bounds the rows as the contract says for this kind of list.
impl<R: Row> FromIterator<R> for Bounded<R> {
    fn from_iter<I: IntoIterator<Item = R>>(rows: I) -> Self {
        bounded(rows, R::LIMIT)
    }
}

impl<R: Row + Serialize> Serialize for Bounded<R>
where
    R::Totals: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let length = self.rows.len() + usize::from(self.rest.is_some());
        let mut list = serializer.serialize_seq(Some(length))?;
        for row in &self.rows {
            list.serialize_element(row)?;
        }
        if let Some(rest) = &self.rest {
            list.serialize_element(rest)?;
        }
        list.end()
    }
}

/// Goes through [`Value`], as serde's own untagged enums and flattened fields lose maps whose keys are numbers.
impl<'de, R: Row + DeserializeOwned> Deserialize<'de> for Bounded<R>
where
    R::Totals: DeserializeOwned,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut list = Vec::<Value>::deserialize(deserializer)?;
        let rest = list.pop_if(|last| last.get("omitted").is_some());
        let rows =
            list.into_iter().map(R::deserialize).collect::<Result<_, _>>().map_err(D::Error::custom)?;
        let rest = rest.map(Omitted::deserialize).transpose().map_err(D::Error::custom)?;
        Ok(Self { rows, rest })
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Omitted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut entries = Map::deserialize(deserializer)?;
        let omitted = entries.remove("omitted").and_then(|count| count.as_u64());
        Ok(Self {
            omitted: omitted.ok_or_else(|| D::Error::missing_field("omitted"))?,
            totals: T::deserialize(Value::Object(entries)).map_err(D::Error::custom)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Cost {
        count: u64,
        waited_ns: Option<u64>,
        sizes: BTreeMap<u64, u64>,
    }

    impl Row for Cost {
        type Totals = Cost;
        const LIMIT: usize = 3;

        fn add_to(&self, totals: &mut Cost) {
            totals.count += self.count;
            add_known(&mut totals.waited_ns, self.waited_ns);
            for (size, times) in &self.sizes {
                *totals.sizes.entry(*size).or_default() += times;
            }
        }
    }

    fn cost(count: u64) -> Cost {
        Cost { count, waited_ns: (count > 1).then_some(10), sizes: BTreeMap::from([(16, count)]) }
    }

    #[test]
    fn sums_still_add_up() {
        for (name, rows, kept, omitted, rest_count) in [
            ("none", 0, 0, 0, 0),
            ("fits exactly", 3, 3, 0, 0),
            ("one too many", 4, 2, 2, 2 + 1),
            ("many", 10, 2, 8, 36),
        ] {
            let list: Bounded<Cost> = (1..=rows).rev().map(cost).collect();
            assert_eq!(list.rows.len(), kept, "{name}");
            assert_eq!(list.rest.as_ref().map_or(0, |rest| rest.omitted), omitted, "{name}");
            assert_eq!(list.rest.as_ref().map_or(0, |rest| rest.totals.count), rest_count, "{name}");
            assert_eq!(list.sum().omitted, rows, "{name}");
            assert_eq!(list.sum().totals.count, rows * (rows + 1) / 2, "{name}");
        }
    }

    #[test]
    fn a_total_is_unknown_only_if_no_row_knew() {
        assert_eq!(bounded([cost(1), cost(1), cost(1)], 2).rest.unwrap().totals.waited_ns, None);
        assert_eq!(bounded([cost(1), cost(1), cost(2)], 2).rest.unwrap().totals.waited_ns, Some(10));
    }

    #[test]
    fn is_one_flat_list_in_json() {
        let list: Bounded<Cost> = (1..=4).map(cost).collect();
        let json = serde_json::to_value(&list).unwrap();
        assert_eq!(
            json[2],
            serde_json::json!({"omitted": 2, "count": 7, "waited_ns": 20, "sizes": {"16": 7}})
        );
        assert_eq!(serde_json::from_value::<Bounded<Cost>>(json).unwrap(), list);
    }

    #[test]
    fn the_dearest_rows_may_be_anywhere_in_the_list() {
        let list: Bounded<Cost> = (1..=6).map(cost).collect();
        let (top, others) = list.dearest(1, |row| row.count);
        let shown = top[0].count + others.as_ref().map_or(0, |others| others.totals.count);
        assert_eq!((top[0].count, others.unwrap().omitted, shown), (2, 5, 21));
        assert_eq!(list.dearest(9, |row| row.count).1, list.rest);
    }

    #[test]
    fn the_top_of_a_bounded_list_carries_its_rest_along() {
        let list: Bounded<Cost> = (1..=6).map(cost).collect();
        let (top, others) = list.top(1);
        assert_eq!((top.len(), others.unwrap().omitted), (1, 5));
        assert_eq!(list.top(2).1, list.rest);
    }
}
