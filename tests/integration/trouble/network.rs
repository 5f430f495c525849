//! A network that delays, cuts and swallows, and answers that never come.
