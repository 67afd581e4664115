//! What a person sees and does.

mod behaviour;
mod panes;
mod running;
mod screens;
mod slow;
mod speed;
mod streams;
mod timeline;
mod walks;
