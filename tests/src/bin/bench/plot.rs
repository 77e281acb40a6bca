//! Charts of a report as SVG: one of the ratios with their limits, one for each thing that grows.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::report::{Measured, Report};
use crate::scenario::{Limit, Row, Unit};

/// Writes the charts into a folder, which is made if need be.
pub(crate) fn write(report: &Report, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let ratios: Vec<_> = report.judged().filter(|(result, _)| result.unit == Unit::Ratio).collect();
    if !ratios.is_empty() {
        fs::write(folder.join("gates.svg"), gates(&ratios))?;
    }
    for result in report.results.iter().filter(|result| result.scenario.starts_with("growth-")) {
        fs::write(folder.join(format!("{}.svg", result.scenario)), growth(result))?;
    }
    let latencies: Vec<_> = report.results.iter().filter(|result| result.scenario.starts_with("latency-")).collect();
    if !latencies.is_empty() {
        fs::write(folder.join("latency.svg"), latency(&latencies))?;
    }
    Ok(())
}

/// A row for each scenario: a line from least to most, a dot at the median, a stroke at the limit.
fn gates(results: &[(&Measured, Limit)]) -> String {
    let greatest = results.iter().map(|(result, limit)| result.figure.max.max(limit.figure())).fold(1.0, f64::max);
    let mut chart = Chart::new("fdlink against bare loops: CPU time, median and spread of the rounds", results.len());
    let scale = Scale::linear(greatest * 1.05);
    chart.axis(&scale, "ratio of CPU times (1 is as fast as the bare loop; fanout: times as many frames a second)");
    for (row, (result, limit)) in results.iter().enumerate() {
        let colour = if result.holds() { GOOD } else { BAD };
        chart.label(row, &format!("{} {}", result.gate, result.scenario));
        chart.bar(row, [result.figure.min, result.figure.max].map(|x| scale.place(x)), colour);
        chart.dot(row, scale.place(result.figure.median), colour);
        chart.stroke(row, scale.place(limit.figure()));
    }
    chart.legend(&[("the gate holds", GOOD), ("missed", BAD), ("limit", INK)]);
    chart.finish()
}

/// A row for each path: percentiles as dots on one line.
fn latency(results: &[&Measured]) -> String {
    let rows = |result: &Measured| result.rows.iter().map(|row| row.figure.median).fold(0.0, f64::max);
    let greatest = results.iter().map(|result| rows(result)).fold(1.0, f64::max);
    let mut chart = Chart::new("Round trip of one frame of 64 bytes", results.len());
    let scale = Scale::logarithmic(1.0, greatest * 1.2);
    chart.axis(&scale, "microseconds, logarithmic");
    for (row, result) in results.iter().enumerate() {
        chart.label(row, result.scenario.trim_start_matches("latency-"));
        for (Row { figure, .. }, colour) in result.rows.iter().zip(COLOURS) {
            chart.dot(row, scale.place(figure.median), colour);
        }
    }
    chart.legend(&[
        ("p50", COLOURS[0]),
        ("p99", COLOURS[1]),
        ("p99.9", COLOURS[2]),
        ("first after 100 ms", COLOURS[3]),
    ]);
    chart.finish()
}

/// A row for each point of the axis.
fn growth(result: &Measured) -> String {
    let greatest = result.rows.iter().map(|row| row.figure.max).fold(1.0, f64::max);
    let what = result.scenario.trim_start_matches("growth-");
    let mut chart =
        Chart::new(&format!("Cost of a frame against {what}, median and spread of the rounds"), result.rows.len());
    let scale = Scale::linear(greatest * 1.05);
    chart.axis(&scale, "CPU nanoseconds a frame");
    for (row, Row { program, figure, .. }) in result.rows.iter().enumerate() {
        chart.label(row, &format!("{program} {}", unit_of(what)));
        chart.bar(row, [figure.min, figure.max].map(|x| scale.place(x)), GOOD);
        chart.dot(row, scale.place(figure.median), GOOD);
    }
    chart.finish()
}

const fn unit_of(what: &str) -> &str {
    match what.as_bytes() {
        b"batch" => "frames a call",
        b"size" => "bytes",
        _ => what,
    }
}

/// From a figure to a place on the horizontal axis.
struct Scale {
    least: f64,
    most: f64,
    is_logarithmic: bool,
}

impl Scale {
    const fn linear(most: f64) -> Self {
        Self { least: 0.0, most, is_logarithmic: false }
    }

    const fn logarithmic(least: f64, most: f64) -> Self {
        Self { least, most, is_logarithmic: true }
    }

    fn place(&self, figure: f64) -> f64 {
        let part = if self.is_logarithmic {
            (figure.max(self.least) / self.least).ln() / (self.most / self.least).ln()
        } else {
            figure / self.most
        };
        LEFT + part.clamp(0.0, 1.0) * WIDTH
    }

    /// Round figures, a few: 1, 2 or 5 times a power of ten apart, or the powers themselves.
    fn ticks(&self) -> Vec<f64> {
        if self.is_logarithmic {
            let powers = (0..12).map(|power| 10_f64.powi(power));
            return powers.filter(|tick| (self.least..=self.most).contains(tick)).collect();
        }
        let power = 10_f64.powf((self.most / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
        let step = step.into_iter().find(|step| self.most / step <= 8.0).unwrap_or(power);
        (0..=8).map(|number| f64::from(number) * step).take_while(|tick| *tick <= self.most).collect()
    }
}

/// A chart that is being drawn.
struct Chart {
    body: String,
    rows: usize,
}

impl Chart {
    fn new(title: &str, rows: usize) -> Self {
        let mut chart = Self { body: String::new(), rows };
        chart.text(16.0, 26.0, "start", 16, &escaped(title));
        chart
    }

    fn axis(&mut self, scale: &Scale, name: &str) {
        let bottom = self.bottom();
        for tick in scale.ticks() {
            let x = scale.place(tick);
            self.line([x, TOP, x, bottom], GRID, 1.0);
            let digits = usize::from(tick < 10.0 && tick.fract() != 0.0) * 2;
            self.text(x, bottom + 18.0, "middle", 12, &format!("{tick:.digits$}"));
        }
        self.text(LEFT + WIDTH / 2.0, bottom + 38.0, "middle", 12, &escaped(name));
    }

    fn label(&mut self, row: usize, name: &str) {
        self.text(LEFT - 10.0, middle(row) + 4.0, "end", 12, &escaped(name));
    }

    fn bar(&mut self, row: usize, [from, to]: [f64; 2], colour: &str) {
        self.line([from, middle(row), to, middle(row)], colour, 3.0);
    }

    fn stroke(&mut self, row: usize, x: f64) {
        self.line([x, middle(row) - 8.0, x, middle(row) + 8.0], INK, 2.0);
    }

    fn dot(&mut self, row: usize, x: f64, colour: &str) {
        let y = middle(row);
        self.put(&format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="4.5" fill="{colour}"/>"#));
    }

    fn legend(&mut self, entries: &[(&str, &str)]) {
        let y = self.bottom() + 58.0;
        for (number, (name, colour)) in entries.iter().enumerate() {
            let x = LEFT + 150.0 * number as f64;
            self.put(&format!(r#"<circle cx="{x:.1}" cy="{:.1}" r="4.5" fill="{colour}"/>"#, y - 4.0));
            self.text(x + 10.0, y, "start", 12, &escaped(name));
        }
    }

    fn line(&mut self, [x1, y1, x2, y2]: [f64; 4], colour: &str, width: f64) {
        let ends = format!(r#"x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}""#);
        self.put(&format!(r#"<line {ends} stroke="{colour}" stroke-width="{width}"/>"#));
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, size: u32, text: &str) {
        let style = format!(r#"text-anchor="{anchor}" font-size="{size}" fill="{INK}""#);
        self.put(&format!(r#"<text x="{x:.1}" y="{y:.1}" {style}>{text}</text>"#));
    }

    fn put(&mut self, element: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }

    fn bottom(&self) -> f64 {
        middle(self.rows)
    }

    fn finish(self) -> String {
        let (width, height) = (LEFT + WIDTH + 40.0, self.bottom() + 76.0);
        let size = format!(r#"width="{width}" height="{height}" viewBox="0 0 {width} {height}""#);
        let open = format!(r#"<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">"#);
        format!("{open}\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>\n", self.body)
    }
}

/// Where a row lies.
fn middle(row: usize) -> f64 {
    TOP + ROW * (row as f64 + 0.5)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const LEFT: f64 = 260.0;
const TOP: f64 = 44.0;
const WIDTH: f64 = 620.0;
const ROW: f64 = 22.0;
const INK: &str = "#222222";
const GRID: &str = "#dddddd";
const GOOD: &str = "#1b7837";
const BAD: &str = "#b2182b";
const COLOURS: [&str; 4] = ["#1b7837", "#2166ac", "#b2182b", "#8c6bb1"];
