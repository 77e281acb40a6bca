//! Links without libc, without start files, statically, and refuses undefined symbols.

fn main() {
    for arg in ["-nostdlib", "-nostartfiles", "-static", "-no-pie", "-Wl,--gc-sections", "-Wl,--no-undefined"] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
