//! What goes wrong around the service: threads that hang, processes that are held up and come back, members that come and go, and topics
//! that change under it.

mod load;
mod members;
mod network;
mod security;
mod snapshots;
mod threads;
mod time;
mod topics;
