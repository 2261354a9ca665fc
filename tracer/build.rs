//! Brings the compiled probes to where the library embeds them from.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Where `cargo xtask build` leaves the probes, in cargo's target directory.
const OBJECT: &str = "bpf/tracer.bpf.o";
/// Where `cargo xtask dist` leaves them in the packed crate.
const PACKED: &str = "tracer.bpf.o";

fn main() {
    println!("cargo::rerun-if-env-changed=TRACER_EBPF_OBJECT");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let given = env::var_os("TRACER_EBPF_OBJECT").map(PathBuf::from);
    let Some(object) = given.or_else(packed_object).or_else(|| built_object(&out)) else {
        println!("cargo::error=cannot find the compiled probes ({OBJECT}); try `cargo xtask build`");
        return;
    };
    println!("cargo::rerun-if-changed={}", object.display());
    if let Err(error) = fs::copy(&object, out.join("tracer.bpf.o")) {
        println!("cargo::error=cannot copy {}: {error}; try `cargo xtask build`", object.display());
    }
}

/// A crate that is installed by cargo brings them along.
fn packed_object() -> Option<PathBuf> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    Some(package.join(PACKED)).filter(|object| object.exists())
}

/// Cargo gives a build script no target directory, but gives it an `OUT_DIR` somewhere inside.
fn built_object(out: &Path) -> Option<PathBuf> {
    out.ancestors().map(|directory| directory.join(OBJECT)).find(|object| object.exists())
}
