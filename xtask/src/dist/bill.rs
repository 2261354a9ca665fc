//! What the program is made of: a bill of materials for machines, and the licences of others for people.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::musl::Libraries;
use super::{Release, VERSION};
use crate::command::{cargo, output};
use crate::compiler::{DEBIAN_RUSTC, DEBIAN_SOURCES};
use crate::tree;

/// What a part's licence may name: each lets a program that holds it be given away.
const ALLOWED: &[&str] = &[
    "0BSD",
    // Of inferno, by file: a distributor of the program says where that crate's source is, as the bill does.
    "CDDL-1.0",
    "MIT",
    "Apache-2.0",
    "LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Words of an expression that name no licence. <https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/>
const OPERATORS: [&str; 3] = ["OR", "AND", "WITH"];

/// A part of the program.
struct Component {
    name: String,
    version: String,
    licence: String,
    sha256: Option<String>,
    /// A package URL: <https://github.com/package-url/purl-spec/blob/v1.0.0/PURL-SPECIFICATION.rst>
    purl: String,
    /// The files in which its licence stands.
    texts: Vec<PathBuf>,
}

/// All parts, by name and version.
pub struct Bill(BTreeMap<(String, String), Component>);

impl Bill {
    /// What cargo resolved for the tracer and for its probes, and what is linked beside that.
    pub fn read(libraries: &Libraries) -> Result<Self> {
        let root = tree::root();
        let mut all = crates(&root, "tracer")?;
        all.extend(crates(&root.join("tracer-ebpf"), "tracer-ebpf")?);
        all.push(standard_library()?);
        all.extend(libraries.packages().into_iter().map(of_debian));
        for component in &all {
            let unknown = unknown_licences(&component.licence);
            let name = &component.name;
            ensure!(unknown.is_empty(), "cannot give {name} away: its licence is {}", component.licence);
        }
        Ok(Self(all.into_iter().map(|part| ((part.name.clone(), part.version.clone()), part)).collect()))
    }

    /// <https://cyclonedx.org/docs/1.5/json/>
    pub fn write(&self, release: &Release) -> Result<()> {
        let components: Vec<_> = self.0.values().map(Component::to_json).collect();
        let bill = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {"component": {"type": "application", "name": "tracer", "version": VERSION}},
            "components": components,
        });
        let file = release.folder.join(format!("tracer-{VERSION}.cdx.json"));
        Ok(fs::write(file, serde_json::to_string_pretty(&bill)? + "\n")?)
    }

    /// Writes down each licence once, below the names of all parts that have it.
    pub fn notices(&self, release: &Release) -> Result<PathBuf> {
        let mut texts = BTreeMap::<String, BTreeSet<String>>::new();
        for part in self.0.values() {
            if part.texts.is_empty() {
                let text = format!("{}, of which the package holds no text", part.licence);
                texts.entry(text).or_default().insert(format!("{} {}", part.name, part.version));
            }
            for path in &part.texts {
                let text =
                    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                texts.entry(text).or_default().insert(format!("{} {}", part.name, part.version));
            }
        }
        let sections = texts.iter().map(|(text, names)| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            format!("{}\n\n{}\n\n", names.join(", "), text.trim_end())
        });
        let file = release.staged("notices")?.join("THIRD-PARTY-LICENSES.txt");
        fs::write(&file, sections.collect::<Vec<_>>().join(&format!("{}\n", "-".repeat(80))))?;
        Ok(file)
    }
}

impl Component {
    fn to_json(&self) -> Value {
        let mut part = json!({
            "type": "library",
            "name": self.name,
            "version": self.version,
            "licenses": [{"expression": self.licence}],
            "purl": self.purl,
        });
        if let Some(sha256) = &self.sha256 {
            part["hashes"] = json!([{"alg": "SHA-256", "content": sha256}]);
        }
        part
    }
}

/// What a package of ours in this folder depends on, tests apart; our own packages are no parts.
fn crates(folder: &Path, package: &str) -> Result<Vec<Component>> {
    let mut metadata = Command::new(cargo());
    metadata.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform=x86_64-unknown-linux-musl",
    ]);
    let metadata = output(metadata.arg("--manifest-path").arg(folder.join("Cargo.toml")));
    let metadata: Value = serde_json::from_str(&metadata.context("cargo prints no metadata")?)?;
    let packages: HashMap<_, _> =
        list(&metadata["packages"]).map(|found| (text(&found["id"]), found)).collect();
    let nodes: HashMap<_, _> =
        list(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();
    let first =
        packages.values().find(|found| found["name"] == package).context("there is no such package")?;
    let mut wanted = vec![text(&first["id"])];
    let mut seen = BTreeSet::new();
    while let Some(id) = wanted.pop() {
        if seen.insert(id) {
            wanted
                .extend(list(&nodes[id]["deps"]).filter(|dep| is_built_in(dep)).map(|dep| text(&dep["pkg"])));
        }
    }
    let sums = checksums(&fs::read_to_string(folder.join("Cargo.lock"))?);
    let others = seen.into_iter().map(|id| packages[id]).filter(|found| !found["source"].is_null());
    others.map(|found| of_crate(found, &sums)).collect()
}

/// Whether a dependency is more than one of tests.
fn is_built_in(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev")
}

fn of_crate(package: &Value, sums: &HashMap<(String, String), String>) -> Result<Component> {
    let (name, version) = (text(&package["name"]).to_owned(), text(&package["version"]).to_owned());
    let folder =
        Path::new(text(&package["manifest_path"])).parent().context("a manifest lies in a folder")?;
    // Older crates wrote `/` for `OR`.
    let licence = text(&package["license"]).replace('/', " OR ");
    Ok(Component {
        licence,
        sha256: sums.get(&(name.clone(), version.clone())).cloned(),
        purl: format!("pkg:cargo/{name}@{version}"),
        texts: licence_files(folder)?,
        name,
        version,
    })
}

/// The sum of each package, by name and version, of a `Cargo.lock`.
fn checksums(lock: &str) -> HashMap<(String, String), String> {
    let field = |block: &str, name: &str| {
        let value = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
        Some(value.trim_matches('"').to_owned())
    };
    let package =
        |block: &str| Some(((field(block, "name")?, field(block, "version")?), field(block, "checksum")?));
    lock.split("[[package]]").filter_map(package).collect()
}

fn licence_files(folder: &Path) -> Result<Vec<PathBuf>> {
    const STARTS: [&str; 4] = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE"];
    let is_one = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_uppercase()).unwrap_or_default();
        path.is_file() && STARTS.iter().any(|start| name.starts_with(start))
    };
    let mut files: Vec<_> =
        fs::read_dir(folder)?.flatten().map(|entry| entry.path()).filter(is_one).collect();
    files.sort();
    Ok(files)
}

/// It was compiled with the program; its own dependencies are a part of it.
fn standard_library() -> Result<Component> {
    let version = output(Command::new(DEBIAN_RUSTC).arg("--version"));
    let version = version.context("the compiler does not print its version")?;
    let version = version.split_whitespace().nth(1).context("a version without a number")?.to_owned();
    Ok(Component {
        name: "rust-std".to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        sha256: None,
        purl: format!("pkg:generic/rust-std@{version}"),
        texts: vec![Path::new(DEBIAN_SOURCES).join("COPYRIGHT")],
        version,
    })
}

fn of_debian((name, version, notice): (String, String, PathBuf)) -> Component {
    let licence = if name.starts_with("musl") { "MIT" } else { "Apache-2.0 WITH LLVM-exception" };
    Component {
        licence: licence.to_owned(),
        sha256: None,
        purl: format!("pkg:deb/debian/{name}@{version}"),
        texts: vec![notice],
        name,
        version,
    }
}

fn unknown_licences(expression: &str) -> Vec<&str> {
    let words = expression.split(|char: char| char.is_whitespace() || "()".contains(char));
    let mut words: Vec<_> = words.filter(|word| !word.is_empty() && !OPERATORS.contains(word)).collect();
    if words.is_empty() {
        return vec!["none"];
    }
    words.retain(|word| !ALLOWED.contains(word));
    words
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_licence_of_an_expression_must_be_allowed() {
        for (expression, unknown) in [
            ("MIT OR Apache-2.0", vec![]),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", vec![]),
            ("Apache-2.0 WITH LLVM-exception OR MIT", vec![]),
            ("GPL-3.0-only", vec!["GPL-3.0-only"]),
            ("MIT AND LGPL-2.1-only", vec!["LGPL-2.1-only"]),
            ("", vec!["none"]),
        ] {
            assert_eq!(unknown_licences(expression), unknown, "{expression}");
        }
    }

    #[test]
    fn sums_are_those_of_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n\n[[package]]\n\
                    name = \"ours\"\nversion = \"0.1.0\"\n";
        let expected = [(("a".to_owned(), "1.0.0".to_owned()), "ab".to_owned())];
        assert_eq!(checksums(lock), HashMap::from(expected));
    }
}
