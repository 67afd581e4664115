//! What the user asks to see, and the answer.
//!
//! Both are values: answering is a function of the question and of what is known from the samples, so it
//! can be done anywhere (`worker.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use analysis::Finding;

use crate::complete::{Completion, complete};
use crate::cursor::Id;
use crate::list::{Choice, Order};
use crate::outline::Line;
use crate::state::View;
use crate::trends::{By, Trends};
use crate::view::{findings, groups, objects, threads, tree};
use crate::watch::{Since, Watch};

/// What is to be shown.
#[derive(Clone)]
pub(crate) struct Question {
    /// The later the question, the higher: an answer to an earlier one is of no use.
    pub generation: u64,
    pub choice: Choice,
    pub view: View,
    pub by: By,
    /// What the user has opened or closed in that view.
    pub touched: Arc<HashMap<Id, bool>>,
    /// What is stuck, as far as is known by now.
    pub found: Arc<[Finding]>,
    /// What the filter line has before its cursor, while it is edited.
    pub completing: Option<String>,
}

impl Question {
    pub fn new(view: View) -> Question {
        Question {
            generation: 0,
            choice: Choice::default(),
            view,
            by: By::Stack,
            touched: Arc::default(),
            found: Arc::default(),
            completing: None,
        }
    }
}

/// What a view is put together from.
pub(crate) struct Material<'a> {
    pub question: &'a Question,
    pub watch: &'a Watch,
    pub trends: &'a Trends,
    pub order: &'a Order,
}

impl Material<'_> {
    /// Whether a head is open, `default` unless the user said otherwise.
    pub fn is_open(&self, id: Id, default: bool) -> bool {
        let touched = self.question.touched.get(&id);
        touched.copied().unwrap_or(default)
    }
}

/// The answer.
pub(crate) struct Sheet {
    pub question: Question,
    pub order: Arc<Order>,
    /// Of the view, if it is one of those that have heads.
    pub lines: Vec<Line>,
    pub groups: Vec<groups::Group>,
    /// For how long the longest of each finding's goroutines has been as it is.
    pub finding_since: Vec<Since>,
    pub completion: Option<Completion>,
}

impl Sheet {
    pub fn new(question: Question, order: Arc<Order>, watch: &Watch, trends: &Trends) -> Sheet {
        let material = Material {
            question: &question,
            watch,
            trends,
            order: &order,
        };
        let (mut groups, mut finding_since) = (Vec::new(), Vec::new());
        let lines = match question.view {
            View::Goroutines | View::Overview => Vec::new(),
            View::Groups => {
                groups = groups::groups(&material);
                groups::lines(&material, &groups)
            }
            View::Tree => tree::build(&material),
            View::Objects => objects::build(&material),
            View::Findings => {
                finding_since = findings::since_of(&material);
                findings::build(&material)
            }
            View::Threads => threads::build(&material),
        };
        let completing = question.completing.as_deref();
        let completion = completing.map(|text| complete(text, watch));
        Sheet {
            order,
            lines,
            groups,
            finding_since,
            completion,
            question,
        }
    }
}
