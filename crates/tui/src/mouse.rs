//! What the mouse does: what the keys do, where it points.

use ratatui::layout::Position;

use crate::navigate;
use crate::state::{Focus, Model};
use crate::update::{Mouse, screen_areas};
use crate::view::tabs;

/// How many lines one notch of the wheel is.
const NOTCH: usize = 3;

/// Does what a click or the wheel means there.
pub(crate) fn on_mouse(model: &mut Model, mouse: Mouse, at: Position) {
    let areas = screen_areas(model);
    if model.overlay.is_some() {
        match mouse {
            Mouse::WheelUp => model.overlay_scroll = model.overlay_scroll.saturating_sub(NOTCH),
            Mouse::WheelDown => model.overlay_scroll += NOTCH,
            Mouse::Click => model.overlay = None,
        }
    } else if areas.tabs.contains(at) {
        let column = usize::from(at.x - areas.tabs.x);
        if let (Mouse::Click, Some(view)) =
            (mouse, tabs::at(model, areas.tabs.width.into(), column))
        {
            navigate::go_to(model, view);
        }
    } else if areas.table.contains(at) {
        let (line, first) = (model.cursor().line, model.cursor().offset);
        match mouse {
            Mouse::WheelUp => navigate::select(model, line.saturating_sub(NOTCH)),
            Mouse::WheelDown => navigate::select(model, line + NOTCH),
            Mouse::Click => {
                model.focus = Focus::List;
                let clicked = first + usize::from(at.y - areas.table.y).saturating_sub(1);
                // Neither the names of the columns nor the emptiness below the rows.
                if at.y > areas.table.y && clicked < model.len() {
                    // A click on what is selected opens it.
                    match clicked == line && model.outline().is_some() {
                        true => navigate::toggle(model),
                        false => navigate::select(model, clicked),
                    }
                }
            }
        }
    } else if areas.detail.contains(at) || areas.title.contains(at) {
        let line = model.detail.offset + usize::from(at.y.saturating_sub(areas.detail.y));
        match mouse {
            Mouse::WheelUp => model.detail.line = model.detail.line.saturating_sub(NOTCH),
            Mouse::WheelDown => model.detail.line += NOTCH,
            Mouse::Click if areas.title.contains(at) => model.focus = Focus::Detail,
            Mouse::Click if model.focus == Focus::Detail && model.detail.line == line => {
                navigate::open(model);
            }
            Mouse::Click => {
                model.focus = Focus::Detail;
                model.detail.line = line;
            }
        }
    }
}
