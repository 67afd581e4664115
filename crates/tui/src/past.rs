//! What is remembered of the samples, and what each of them does to that.

use std::sync::Arc;
use std::time::Duration;

use model::{Goid, Snapshot};

use crate::list::Order;
use crate::question::{Question, Sheet};
use crate::series::Series;
use crate::timeline::Weight;
use crate::trends::{Trends, alike};
use crate::watch::Watch;

/// Something that changes what is known.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A sample of a process is kept, shown or not: how much memory does it take, by the number that
    /// the timeline gave it?
    Weigh(usize, Arc<Snapshot>),
    /// The next sample is shown.
    Sample {
        snapshot: Arc<Snapshot>,
        /// The timeline's number of it.
        index: usize,
        /// When it came, since the screen began.
        received: Duration,
        /// This goroutine does not leave the list even if it is long gone.
        looked_at: Option<Goid>,
    },
    /// The next sample does not follow the last one.
    StartOver,
    /// The user marks this sample, at that time since the screen began.
    Mark(Arc<Snapshot>, Duration),
    Unmark,
}

/// What is known from the samples so far.
#[derive(Default)]
pub(crate) struct Past {
    watch: Arc<Watch>,
    series: Arc<Series>,
    trends: Trends,
    /// The timeline's number of the last one.
    index: usize,
    weighed: Option<Arc<Snapshot>>,
    weights: Vec<(usize, Weight)>,
    /// How often it has answered.
    answers: u64,
    /// The last order: most questions are not about it.
    order: Option<Arc<Order>>,
}

/// What the screen is drawn from: an answer, and what it is about.
pub(crate) struct Answer {
    /// The later, the higher.
    pub number: u64,
    pub watch: Arc<Watch>,
    pub series: Arc<Series>,
    pub index: usize,
    pub sheet: Sheet,
    /// Of the samples that came since the last answer.
    pub weights: Vec<(usize, Weight)>,
    /// Whether all that was asked is answered by it.
    pub last: bool,
}

impl Past {
    pub fn take(&mut self, step: Step) {
        match step {
            Step::Weigh(index, snapshot) => {
                let weight = Weight::of(&snapshot, self.weighed.as_deref());
                self.weights.push((index, weight));
                self.weighed = Some(snapshot);
                return;
            }
            Step::Sample {
                snapshot,
                index,
                received,
                looked_at,
            } => {
                let watch = self.watch.next(snapshot, received, looked_at);
                let alike = alike(&watch);
                self.trends.sample(&watch, &alike);
                let before = self.watch.snapshot.as_deref();
                Arc::make_mut(&mut self.series).sample(&watch, &alike, before);
                self.watch = Arc::new(watch);
                self.index = index;
            }
            Step::StartOver => {
                self.watch = Arc::new(self.watch.start_over());
                self.trends = Trends::default();
                self.series = Arc::default();
            }
            Step::Mark(snapshot, at) => Arc::make_mut(&mut self.watch).set_mark(snapshot, at),
            Step::Unmark => Arc::make_mut(&mut self.watch).clear_mark(),
        }
        self.order = None;
    }

    pub fn answer(&mut self, question: Question) -> Answer {
        let order = self.order.take();
        let order = order.filter(|order| order.choice == question.choice);
        let order = order.unwrap_or_else(|| Arc::new(Order::new(&question.choice, &self.watch)));
        self.order = Some(order.clone());
        self.answers += 1;
        Answer {
            number: self.answers,
            sheet: Sheet::new(question, order, &self.watch, &self.trends),
            watch: self.watch.clone(),
            series: self.series.clone(),
            index: self.index,
            weights: std::mem::take(&mut self.weights),
            last: true,
        }
    }
}
