//! Tables that are asked for every row: a tenth of what SipHash takes, whose safety these keys need not.

/// A table whose keys are numbers that programs do not choose freely: pids, tids, ids, addresses. Its hash is seeded anew for
/// each table all the same, so that no recording can be made that has all its keys in one bucket.
pub type QuickMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
