//! What events cost as work grows, as a picture: one panel for each measure of the work.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use serde_json::Value;

/// Pixels of a panel.
const PANEL: (u32, u32) = (240, 220);
/// The line of processor time, and that of memory.
const COLOURS: [RGBColor; 2] = [RGBColor(31, 97, 160), RGBColor(196, 98, 16)];

/// Draws points, each with `measure`, `value`, `cpu_us` and `bytes_a_user`, as SVG.
pub(crate) fn draw(path: &Path, points: &[Value]) {
    let mut names: Vec<&str> = points.iter().filter_map(|point| point["measure"].as_str()).collect();
    names.dedup();
    let columns = u32::try_from(names.len().max(1)).expect("few");
    let area = SVGBackend::new(path, (PANEL.0 * columns, 2 * PANEL.1)).into_drawing_area();
    area.fill(&WHITE).expect("drawn");
    let (time, memory) = area.split_vertically(PANEL.1);
    let rows = [(time, "cpu_us", "us of processor time a record"), (memory, "bytes_a_user", "bytes a user")];
    for ((row, key, label), colour) in rows.into_iter().zip(COLOURS) {
        for (panel, name) in row.split_evenly((1, names.len().max(1))).iter().zip(&names) {
            let line = line_of(points, name, key);
            let highest = points.iter().filter_map(|point| point[key].as_f64()).fold(0.0, f64::max) * 1.1;
            draw_panel(panel, (name, label), (&line, highest), colour);
        }
    }
    area.present().expect("written");
}

/// The median of a figure at each value of a measure, by value.
fn line_of(points: &[Value], measure: &str, key: &str) -> Vec<(u64, f64)> {
    let mut line: Vec<(u64, f64)> = points
        .iter()
        .filter(|point| point["measure"] == measure)
        .filter_map(|point| Some((point["value"].as_u64()?, point[key].as_f64()?)))
        .collect();
    line.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    line.chunk_by(|one, other| one.0 == other.0).map(|same| same[same.len() / 2]).collect()
}

/// A panel with values at equal distances: what they are is written below each.
fn draw_panel(
    panel: &DrawingArea<SVGBackend<'_>, Shift>,
    (name, label): (&str, &str),
    (line, highest): (&[(u64, f64)], f64),
    colour: RGBColor,
) {
    let last = line.len().saturating_sub(1);
    let mut chart = ChartBuilder::on(panel)
        .caption(format!("{name}: {label}"), ("sans-serif", 11))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(36)
        .build_cartesian_2d(0..last.max(1), 0.0..highest)
        .expect("a chart");
    let written = |at: &usize| line.get(*at).map(|(value, _)| short(*value)).unwrap_or_default();
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh().x_labels(line.len().max(2)).x_label_formatter(&written).y_labels(5).label_style(("sans-serif", 10));
    mesh.draw().expect("drawn");
    let places: Vec<(usize, f64)> = line.iter().enumerate().map(|(at, (_, figure))| (at, *figure)).collect();
    chart.draw_series(LineSeries::new(places.iter().copied(), &colour)).expect("drawn");
    chart.draw_series(places.into_iter().map(|place| Circle::new(place, 3, colour.filled()))).expect("drawn");
}

/// A number as short as it can be.
fn short(value: u64) -> String {
    match value {
        1_000_000.. => format!("{} M", value / 1_000_000),
        1_000.. => format!("{} k", value / 1_000),
        _ => value.to_string(),
    }
}
