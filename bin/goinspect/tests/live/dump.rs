//! The text of `runtime.Stack(buf, true)`, read back.

/// A goroutine as Go printed it.
#[derive(Debug)]
pub struct Dumped {
    pub goid: u64,
    /// The first of the comma-separated things in brackets, without `(scan)`.
    pub state: String,
    pub locked: bool,
    pub lines: Vec<Line>,
    pub created_by: Option<Created>,
}

/// A frame, or the place where Go left some out.
#[derive(Debug)]
pub enum Line {
    Call {
        function: String,
        file: String,
        line: u64,
        inlined: bool,
    },
    Elided(usize),
}

/// The last line of a goroutine.
#[derive(Debug)]
pub struct Created {
    pub function: String,
    pub file: String,
    pub line: u64,
    /// `in goroutine 1`.
    pub goid: Option<u64>,
}

/// Reads a dump; panics on what Go does not print.
pub fn parse(text: &str) -> Vec<Dumped> {
    text.trim_end().split("\n\n").map(goroutine).collect()
}

fn goroutine(block: &str) -> Dumped {
    let mut lines = block.lines();
    let header = lines.next().unwrap();
    let rest = header
        .strip_prefix("goroutine ")
        .unwrap_or_else(|| panic!("no header: {header}"));
    let (goid, rest) = rest.split_once(" [").unwrap();
    let (inside, _) = rest.split_once("]").unwrap();
    let mut parts = inside.split(", ");
    let state = parts.next().unwrap().trim_end_matches(" (scan)").to_owned();
    let locked = parts.any(|part| part == "locked to thread");
    let mut dumped = Dumped {
        goid: goid.parse().unwrap(),
        state,
        locked,
        lines: Vec::new(),
        created_by: None,
    };
    while let Some(call) = lines.next() {
        if let Some(elided) = call.strip_prefix("...") {
            let (count, _) = elided.split_once(' ').unwrap();
            dumped.lines.push(Line::Elided(count.parse().unwrap()));
            continue;
        }
        let (file, line) = place(
            lines
                .next()
                .unwrap_or_else(|| panic!("{call} has no place")),
        );
        if let Some(creator) = call.strip_prefix("created by ") {
            let (function, goid) = match creator.split_once(" in goroutine ") {
                Some((function, goid)) => (function, Some(goid.parse().unwrap())),
                None => (creator, None),
            };
            dumped.created_by = Some(Created {
                function: function.to_owned(),
                file,
                line,
                goid,
            });
        } else {
            let (function, args) = call.rsplit_once('(').unwrap();
            let inlined = args == "...)";
            dumped.lines.push(Line::Call {
                function: function.to_owned(),
                file,
                line,
                inlined,
            });
        }
    }
    dumped
}

/// `\t/src/main.go:31 +0x1d`.
fn place(text: &str) -> (String, u64) {
    let text = text
        .strip_prefix('\t')
        .unwrap_or_else(|| panic!("no place: {text}"));
    let text = text.split(" +0x").next().unwrap();
    let (file, line) = text.rsplit_once(':').unwrap();
    (file.to_owned(), line.parse().unwrap())
}
