//! What a linked program still needs from outside.

use std::path::Path;

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSymbol as _, SymbolIndex};

/// The symbols of a linked program.
#[derive(Debug)]
pub(crate) struct Symbols {
    pub(crate) defined: Vec<String>,
    pub(crate) undefined: Vec<String>,
    /// True if the program needs a dynamic linker.
    pub(crate) dynamic: bool,
}

/// Reads the symbol table of the ELF file at `path`.
pub(crate) fn symbols(path: &Path) -> Result<Symbols> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = object::File::parse(&*bytes).with_context(|| format!("cannot parse {}", path.display()))?;
    let dynamic = file.section_by_name(".dynamic").is_some();
    let mut symbols = Symbols { defined: Vec::new(), undefined: Vec::new(), dynamic };
    // The first entry of an ELF symbol table is a placeholder.
    for symbol in file.symbols().filter(|symbol| symbol.index() != SymbolIndex(0)) {
        let list = if symbol.is_undefined() { &mut symbols.undefined } else { &mut symbols.defined };
        list.push(symbol.name()?.to_owned());
    }
    Ok(symbols)
}
