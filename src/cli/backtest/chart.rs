//! Line charts as SVG. Colours are classes, so that the page can have them light and dark.

use std::fmt::Write as _;

/// Width and height of a chart, and the room for its labels left, right, above and below, in units of its view box.
const SIZE: (f64, f64) = (480.0, 330.0);
const ROOM: (f64, f64, f64, f64) = (72.0, 16.0, 14.0, 44.0);
/// About as many steps has an axis.
const STEPS: f64 = 5.0;

/// A line, with or without marks at its points.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// The class of the line, which gives it colour and dashes.
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) marks: bool,
}

/// A chart from (0, 0) up to what the series have, at least `least` on both axes.
pub(super) struct Chart {
    /// What it shows, for those who do not see it.
    pub(super) title: String,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) least: f64,
    /// A line across, as of a date.
    pub(super) upright: Option<(f64, &'static str)>,
    pub(super) series: Vec<Series>,
}

/// Text for HTML and SVG.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// From values to places.
struct Scale {
    most: (f64, f64),
}

impl Scale {
    fn x(&self, value: f64) -> f64 {
        ROOM.0 + value / self.most.0 * (SIZE.0 - ROOM.0 - ROOM.1)
    }

    fn y(&self, value: f64) -> f64 {
        SIZE.1 - ROOM.3 - value / self.most.1 * (SIZE.1 - ROOM.2 - ROOM.3)
    }
}

impl Chart {
    /// The chart with its legend.
    pub(super) fn figure(&self) -> String {
        let most = |of: fn(&(f64, f64)) -> f64| {
            self.series.iter().flat_map(|series| &series.points).map(of).fold(self.least, f64::max).max(f64::MIN_POSITIVE)
        };
        let scale = Scale { most: (most(|point| point.0), most(|point| point.1)) };
        let mut svg = format!("<figure><svg viewBox=\"0 0 {} {}\" role=\"img\"><title>{}</title>", SIZE.0, SIZE.1, escaped(&self.title));
        self.axes(&mut svg, &scale);
        if let Some((at, name)) = self.upright {
            let (x, top) = (scale.x(at), ROOM.2);
            _ = write!(svg, "<path class=\"upright\" d=\"M{x:.1} {top:.1}V{:.1}\"/>", scale.y(0.0));
            _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", x - 4.0, scale.y(0.0) - 8.0, escaped(name));
        }
        for series in &self.series {
            draw(&mut svg, series, &scale);
        }
        svg.push_str("</svg><figcaption>");
        for series in &self.series {
            let line = format!("<svg viewBox=\"0 0 28 10\" class=\"key\"><path class=\"line {}\" d=\"M1 5H27\"/></svg>", series.class);
            _ = write!(svg, "<span>{line}{}</span> ", escaped(series.name));
        }
        svg.push_str("</figcaption></figure>\n");
        svg
    }

    fn axes(&self, svg: &mut String, scale: &Scale) {
        for tick in ticks(scale.most.0) {
            let x = scale.x(tick);
            _ = write!(svg, "<path class=\"grid\" d=\"M{x:.1} {:.1}V{:.1}\"/>", scale.y(0.0), ROOM.2);
            _ = write!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", scale.y(0.0) + 15.0, number(tick));
        }
        for tick in ticks(scale.most.1) {
            let y = scale.y(tick);
            _ = write!(svg, "<path class=\"grid\" d=\"M{:.1} {y:.1}H{:.1}\"/>", ROOM.0, SIZE.0 - ROOM.1);
            _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", ROOM.0 - 6.0, y + 4.0, number(tick));
        }
        let (middle_x, middle_y) = (scale.x(scale.most.0 / 2.0), scale.y(scale.most.1 / 2.0));
        _ = write!(svg, "<text x=\"{middle_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", SIZE.1 - 8.0, escaped(self.x));
        let turned = format!("transform=\"rotate(-90 12 {middle_y:.1})\"");
        _ = write!(svg, "<text x=\"12\" y=\"{middle_y:.1}\" text-anchor=\"middle\" {turned}>{}</text>", escaped(self.y));
    }
}

fn draw(svg: &mut String, series: &Series, scale: &Scale) {
    let mut path = String::new();
    for (index, (x, y)) in series.points.iter().enumerate() {
        _ = write!(path, "{}{:.1} {:.1}", if index == 0 { 'M' } else { 'L' }, scale.x(*x), scale.y(*y));
    }
    _ = write!(svg, "<path class=\"line {}\" d=\"{path}\"/>", series.class);
    for (x, y) in series.points.iter().filter(|_| series.marks) {
        let said = format!("{}: {x:.3}, {y:.3}", series.name);
        _ = write!(svg, "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\">", series.class, scale.x(*x), scale.y(*y));
        _ = write!(svg, "<title>{}</title></circle>", escaped(&said));
    }
}

/// Round numbers from 0 up to `most`.
fn ticks(most: f64) -> impl Iterator<Item = f64> {
    let rough = most / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough * 0.999).unwrap_or(rough);
    (0_u8..=20).map(move |index| f64::from(index) * step).take_while(move |tick| *tick <= most * 1.001)
}

/// Without decimals that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        for (most, expected) in
            [(1.0, "0 0.2 0.4 0.6 0.8 1"), (78.0, "0 20 40 60"), (41_234.0, "0 10000 20000 30000 40000"), (0.3, "0 0.1 0.2 0.3")]
        {
            assert_eq!(ticks(most).map(number).collect::<Vec<_>>().join(" "), expected, "{most}");
        }
    }

    #[test]
    fn text_cannot_leave_its_place() {
        let chart = Chart {
            title: "</title><script>".into(),
            x: "a & b",
            y: "\"y\"",
            least: 1.0,
            upright: Some((0.5, "<here>")),
            series: vec![Series { name: "<b>", class: "model", points: vec![(0.0, 0.0), (2.0, 1.0)], marks: true }],
        };
        let figure = chart.figure();
        assert!(!figure.contains("<script>") && !figure.contains("<b>") && !figure.contains("<here>"), "{figure}");
        assert!(figure.contains("a &amp; b") && figure.contains("&quot;y&quot;"));
        // The last point is in the upper right corner of what is drawn.
        assert!(figure.contains("L464.0 14.0"), "{figure}");
    }
}
