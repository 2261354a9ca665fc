//! No modules that name each other in a circle, but for those that ARCHITECTURE.md argues for. A module and those inside
//! of it are one idea: that these name what the outer one defines is no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Where modules lie, and one of each circle that is meant.
const CRATES: [(&str, &[&str]); 5] = [
    // A thread's entry has who wakes it, and a wakeup's row the row of the sleep.
    ("tracer-common/src", &["wakeup"]),
    // What probes keep is defined by those who use it; a file that is opened has the call site that a read has.
    ("tracer-ebpf/src", &["maps", "probes::opening"]),
    ("tracer/src", &[]),
    ("tracer/src/bin/tracer", &[]),
    ("xtask/src", &[]),
];

#[test]
fn modules_do_not_name_each_other_in_circles() {
    for (source, meant) in CRATES {
        let xtask = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
        let modules = modules(&xtask.parent().expect("xtask lies in the workspace").join(source));
        let graph = graph(&modules);
        let circles = circles(&graph);
        let unmeant = |circle: &&BTreeSet<String>| !meant.iter().any(|module| circle.contains(*module));
        let found: Vec<_> = circles.iter().filter(unmeant).map(|circle| arrows(&graph, circle)).collect();
        assert!(found.is_empty(), "{source}:\n{}", found.join("\n"));
        let is_there = |module: &&&str| circles.iter().any(|circle| circle.contains(**module));
        assert_eq!(meant.iter().find(|module| !is_there(module)), None, "{source}: no longer a circle");
    }
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The text of each module, without comments and tests.
fn modules(source: &Path) -> BTreeMap<String, String> {
    let mut files = Vec::new();
    walk(source, &mut files);
    let module = |path: PathBuf| {
        let inside = path.strip_prefix(source).ok()?.with_extension("");
        let mut names: Vec<_> = inside.iter().filter_map(|name| name.to_str()).collect();
        names.pop_if(|name| ["mod", "lib", "main"].contains(name));
        let last = *names.last()?;
        let is_test = last == "tests" || last.ends_with("_tests") || ["fuzz", "bin"].contains(&names[0]);
        (!is_test).then(|| Some((names.join("::"), code(&fs::read_to_string(&path).ok()?))))?
    };
    files.into_iter().filter_map(module).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        match path.is_dir() {
            true => walk(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}

fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Which module names which.
fn graph(modules: &BTreeMap<String, String>) -> Graph {
    let named = |(module, text): (&String, &String)| {
        let paths = paths(text).into_iter().map(|path| absolute(module, &path));
        let known = paths.filter_map(|path| longest(modules, path));
        let others = known.filter(|other| other != module && !is_inside(module, other));
        (module.clone(), others.collect())
    };
    modules.iter().map(named).collect()
}

/// Every path that a text writes, beginning with `crate`, `super`, `self`, or the name of a module beside `use`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        let begins = text.match_indices(start).map(|(at, _)| at);
        let is_begin = |at: &usize| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
        begins.filter(is_begin).for_each(|at| _ = path(&text[at..], &mut Vec::new(), &mut paths));
    }
    for at in text.match_indices("\nuse ").map(|(at, begin)| at + begin.len()) {
        if !["crate", "super", "self"].iter().any(|start| text[at..].starts_with(start)) {
            path(&text[at..], &mut vec!["self".to_owned()], &mut paths);
        }
    }
    paths
}

/// Reads a path, or several that begin with `before`; what follows them.
fn path<'a>(text: &'a str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        while !rest.is_empty() && !rest.starts_with('}') {
            let after = path(rest, &mut before.clone(), paths).trim_start();
            rest = match after.strip_prefix(',').unwrap_or(after).trim_start() {
                same if same.len() == rest.len() => return same,
                next => next,
            };
        }
        return rest.strip_prefix('}').unwrap_or(rest);
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    before.push(name.to_owned());
    match rest.strip_prefix("::") {
        Some(next) if !name.is_empty() => path(next, before, paths),
        _ => {
            paths.push(before.clone());
            rest
        }
    }
}

/// From the root of the crate.
fn absolute(module: &str, path: &[String]) -> Vec<String> {
    let mut base: Vec<_> = module.split("::").map(str::to_owned).collect();
    let relative = path.iter().take_while(|name| ["crate", "super", "self"].contains(&name.as_str())).count();
    for name in &path[..relative] {
        match name.as_str() {
            "crate" => base.clear(),
            "super" => _ = base.pop(),
            _ => {}
        }
    }
    base.extend_from_slice(&path[relative..]);
    base
}

/// The module that a path leads into.
fn longest(modules: &BTreeMap<String, String>, mut path: Vec<String>) -> Option<String> {
    while !path.is_empty() && !modules.contains_key(&path.join("::")) {
        path.pop();
    }
    (!path.is_empty()).then(|| path.join("::"))
}

fn is_inside(module: &str, other: &str) -> bool {
    module.strip_prefix(other).is_some_and(|rest| rest.starts_with("::"))
}

/// Modules of which each is reached from each other.
fn circles(graph: &Graph) -> BTreeSet<BTreeSet<String>> {
    let reached: BTreeMap<_, _> = graph.keys().map(|module| (module, reach(graph, module))).collect();
    let circle = |module: &String| -> BTreeSet<String> {
        let back = |other: &&String| reached.get(other).is_some_and(|reached| reached.contains(module));
        reached[module].iter().filter(back).cloned().collect()
    };
    graph.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

fn reach(graph: &Graph, from: &String) -> BTreeSet<String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        let new = graph[module].iter().filter(|other| reached.insert((*other).clone()));
        next.extend(new);
    }
    reached
}

fn arrows(graph: &Graph, circle: &BTreeSet<String>) -> String {
    let arrows = circle.iter().flat_map(|module| {
        let others = graph[module].intersection(circle);
        others.map(move |other| format!("  {module} names {other}"))
    });
    format!(
        "a circle; move what both need to a module of its own:\n{}",
        arrows.collect::<Vec<_>>().join("\n")
    )
}

#[test]
fn a_circle_is_found_and_a_module_inside_of_another_is_none() {
    let text = |text: &str| text.to_owned();
    let modules = BTreeMap::from([
        (text("a"), text("use crate::b::{self, c::{Inner, deep}};")),
        (text("b"), text("\nuse c::Inner;\npub fn f() {}")),
        (text("b::c"), text("use super::f;\nuse super::super::d::X;")),
        (text("d"), text("fn g() { crate::a::h() }")),
    ]);
    let graph = graph(&modules);
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(graph["a"], of(&["b", "b::c"]));
    assert_eq!(graph["b"], of(&["b::c"]));
    assert_eq!(graph["b::c"], of(&["d"]), "what the module around it defines is its own");
    assert_eq!(circles(&graph), BTreeSet::from([of(&["a", "b", "b::c", "d"])]));
}
