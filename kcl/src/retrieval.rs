//! Getting records out of a shard.
//!
//! In the order of the data: the `budget` says which reads there is room for (`permit` holds the room), `page_size` how much
//! to ask for, the `pacer` when. `polling` is a `source`, which a task reads ahead; `loss` says whether records
//! are missing behind a checkpoint, and `deaggregate` takes the records apart. `pages` are read beside
//! a reader, to look something up; `predecessor` finds by them the checkpoint that makes a reader begin at a time.

pub(crate) mod budget;
pub(crate) mod deaggregate;
pub(crate) mod loss;
pub(crate) mod pacer;
pub(crate) mod page_size;
pub(crate) mod pages;
pub(crate) mod permit;
pub(crate) mod polling;
pub(crate) mod predecessor;
pub(crate) mod source;
