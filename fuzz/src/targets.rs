//! The targets.

mod c;
mod decode;
mod files;
mod screen;
mod tables;
mod text;

/// Something that is handed hostile bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Hands it over; panics if something is not as it must be.
    pub run: fn(&[u8]),
    /// How many mutations of its seeds the tests try: about a second's worth.
    pub tries: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target_of("buildinfo", tables::build_info, 20_000),
    target_of("cframes", c::walk, 1500),
    target_of("core", files::core, 3000),
    target_of("decode", decode::memory, 300),
    target_of("dump", text::dump, 2000),
    target_of("dwarf", tables::dwarf, 300),
    target_of("elf", files::elf, 3000),
    target_of("executable", decode::executable, 100),
    target_of("filter", text::filter, 20_000),
    target_of("pclntab", tables::pclntab, 300),
    target_of("recording", files::recording, 1000),
    target_of("screen", screen::screen, 100),
    target_of("snapshot", text::snapshot, 300),
];

const fn target_of(name: &'static str, run: fn(&[u8]), tries: usize) -> Target {
    Target { name, run, tries }
}

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// What the target `pclntab` asks of a table, and is answered. For making seeds.
pub fn asked_of_pclntab(table: &gobinary::Pclntab) -> String {
    tables::ask(table).join("\n")
}

/// The executable that the target `dwarf` makes of its input. For making seeds.
pub fn executable_with(bytes: &[u8]) -> Vec<u8> {
    tables::executable_with(bytes)
}
