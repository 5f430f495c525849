//! Values and formulas: no clock, no I/O, no JSON, no Kafka.

pub mod churn;
pub mod compare;
pub mod complaints;
pub mod day_set;
pub mod event;
pub mod gamma;
pub mod hexadecimal;
pub mod histories;
pub mod insights;
pub mod lifecycle;
pub mod loyalty;
pub mod maximise;
pub mod money;
pub mod month_day;
pub mod partition;
pub mod purchases;
pub mod rejection;
pub mod retention;
pub mod revenue_share;
pub mod rules;
pub mod seldom;
pub mod spend;
pub mod spike;
pub mod survey;
pub mod time;
pub mod windows;
