//! The table itself.

use super::{Action, Binding, Key};
use crate::state::View;

const fn bind(
    keys: &'static [Key],
    action: Action,
    help: &'static str,
    hint: &'static str,
) -> Binding {
    Binding {
        keys,
        action,
        help,
        hint,
    }
}

/// All keys, under the headings of the help.
pub(crate) const KEYMAP: &[(&str, &[Binding])] = &[
    (
        "Move",
        &[
            bind(&[Key::Up, Key::Char('k')], Action::Up, "one up", ""),
            bind(&[Key::Down, Key::Char('j')], Action::Down, "one down", ""),
            bind(
                &[Key::PageUp, Key::Ctrl('b')],
                Action::PageUp,
                "a page up",
                "",
            ),
            bind(
                &[Key::PageDown, Key::Ctrl('f')],
                Action::PageDown,
                "a page down",
                "",
            ),
            bind(
                &[Key::Home, Key::Char('g')],
                Action::Top,
                "to the first",
                "",
            ),
            bind(
                &[Key::End, Key::Char('G')],
                Action::Bottom,
                "to the last",
                "",
            ),
            bind(&[Key::Enter], Action::Open, "open; follow a link", "open"),
            bind(
                &[Key::Backspace],
                Action::Back,
                "back, after a link",
                "back",
            ),
            bind(
                &[Key::Right, Key::Char('l')],
                Action::Unfold,
                "unfold; to the details",
                "",
            ),
            bind(
                &[Key::Left, Key::Char('h')],
                Action::Shut,
                "fold; to the list",
                "",
            ),
        ],
    ),
    (
        "Views",
        &[
            bind(&[Key::Tab], Action::NextView, "the next view", "view"),
            bind(&[Key::BackTab], Action::PreviousView, "the view before", ""),
            bind(
                &[Key::Char('1')],
                Action::View(View::Goroutines),
                "goroutines",
                "",
            ),
            bind(
                &[Key::Char('2')],
                Action::View(View::Groups),
                "groups of goroutines",
                "",
            ),
            bind(
                &[Key::Char('3')],
                Action::View(View::Tree),
                "who started whom",
                "",
            ),
            bind(
                &[Key::Char('4')],
                Action::View(View::Objects),
                "channels and locks",
                "",
            ),
            bind(
                &[Key::Char('5')],
                Action::View(View::Findings),
                "what is stuck",
                "",
            ),
            bind(
                &[Key::Char('6')],
                Action::View(View::Threads),
                "the runtime's threads",
                "",
            ),
            bind(
                &[Key::Char('7')],
                Action::View(View::Overview),
                "the numbers",
                "",
            ),
        ],
    ),
    (
        "Compare",
        &[
            bind(
                &[Key::Char('m')],
                Action::Mark,
                "mark: compare with now",
                "mark",
            ),
            bind(
                &[Key::Char('M')],
                Action::Unmark,
                "compare with the last",
                "",
            ),
            bind(
                &[Key::Char('c')],
                Action::Only,
                "only new, gone, …, all",
                "only",
            ),
        ],
    ),
    (
        "Choose",
        &[
            bind(&[Key::Char('/')], Action::Filter, "filter", "filter"),
            bind(&[Key::Char('f')], Action::Keep, "keep the filter", ""),
            bind(&[Key::Char('v')], Action::Kept, "kept filters: on, off", ""),
            bind(
                &[Key::Char('s')],
                Action::System,
                "system goroutines too",
                "system",
            ),
            bind(
                &[Key::Char('b')],
                Action::GroupBy,
                "group by something else",
                "by",
            ),
            bind(
                &[Key::Char('o')],
                Action::NextSort,
                "order by next column",
                "order",
            ),
            bind(
                &[Key::Char('O')],
                Action::PreviousSort,
                "order by the one before",
                "",
            ),
            bind(&[Key::Char('r')], Action::Reverse, "reverse the order", ""),
        ],
    ),
    (
        "Time",
        &[
            bind(
                &[Key::Char(' ')],
                Action::Pause,
                "pause sampling, go on",
                "pause",
            ),
            bind(&[Key::Char('.')], Action::Step, "take one sample now", ""),
            bind(
                &[Key::Char('+'), Key::Char('=')],
                Action::Longer,
                "longer interval",
                "",
            ),
            bind(&[Key::Char('-')], Action::Shorter, "shorter interval", ""),
            bind(&[Key::Char('[')], Action::Earlier, "one sample back", ""),
            bind(&[Key::Char(']')], Action::Later, "one sample on", ""),
            bind(
                &[Key::Char('{')],
                Action::MuchEarlier,
                "ten samples back",
                "",
            ),
            bind(&[Key::Char('}')], Action::MuchLater, "ten samples on", ""),
            bind(
                &[Key::Char('(')],
                Action::Oldest,
                "to the oldest sample",
                "",
            ),
            bind(
                &[Key::Char(')')],
                Action::Newest,
                "to the newest, and follow",
                "",
            ),
        ],
    ),
    (
        "Other",
        &[
            bind(
                &[Key::Char('z')],
                Action::Fold,
                "the runtime's calls, too",
                "",
            ),
            bind(&[Key::Char('y')], Action::Copy, "copy the details", ""),
            bind(&[Key::Char('w')], Action::Save, "save the sample", ""),
            bind(&[Key::Char('e')], Action::Edit, "open in $EDITOR", ""),
            bind(
                &[Key::Char('d')],
                Action::Diagnostics,
                "about this sample",
                "",
            ),
            bind(&[Key::Char('?')], Action::Help, "this help", "help"),
            bind(&[Key::Esc], Action::Close, "close, back, no filter", ""),
            bind(
                &[Key::Ctrl('z')],
                Action::Suspend,
                "suspend; fg resumes",
                "",
            ),
            bind(&[Key::Char('q')], Action::Quit, "quit", "quit"),
            bind(&[Key::Ctrl('c')], Action::QuitAtOnce, "quit at once", ""),
        ],
    ),
];
