//! Writes the list of files that ship in the program, so that a new suite needs no
//! code: everything below `suites/` and `templates/`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut list = String::from("&[\n");
    for folder in ["suites", "templates"] {
        println!("cargo::rerun-if-changed={folder}");
        let mut paths = Vec::new();
        collect(&root.join(folder), &mut paths)?;
        paths.sort();
        for path in paths {
            let inside = path
                .strip_prefix(&root)
                .expect("it was found below the root");
            let name = inside.to_string_lossy().replace('\\', "/");
            writeln!(list, "({name:?}, include_str!({path:?})),").expect("strings grow");
        }
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("catalog.rs"), list)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        // what editors leave behind does not ship
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            println!("cargo::rerun-if-changed={}", entry.path().display());
            collect(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}
