//! Text with the colours of a terminal as SVG.

/// Pixels of a character's width and of a line's height, for a font of 13 pixels: monospace fonts are 0.602 of their size
/// wide.
const COLUMN: f64 = 7.83;
const LINE: usize = 17;
const MARGIN: f64 = 18.0;
/// The first line's base, below the title bar.
const TOP: usize = 64;
const COLUMNS: f64 = 100.0;

const STYLE: &str = r##"<style>
text { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d7dae0; white-space: pre }
.b { font-weight: 700; fill: #fff } .f { fill: #8b93a1 } .y { fill: #e5c07b } .r { fill: #ff6b68; font-weight: 700 }
</style>
<rect width="100%" height="100%" rx="9" fill="#1d2026"/>
<circle cx="20" cy="19" r="6" fill="#ff5f57"/><circle cx="40" cy="19" r="6" fill="#febc2e"/><circle cx="60" cy="19" r="6" fill="#28c840"/>
"##;

/// A window with this title, and this text in it.
pub fn draw(title: &str, text: &str) -> String {
    let width = 2.0 * MARGIN + COLUMNS * COLUMN;
    let height = TOP + LINE * text.lines().count();
    let title = escaped(title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" width=\"{width:.0}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n{STYLE}<text x=\"84\" y=\"23.5\" class=\"f\">{title}</text>\n"
    );
    for (number, line) in text.lines().enumerate() {
        draw_line(&mut svg, TOP + LINE * number, line);
    }
    svg + "</svg>\n"
}

/// Each piece of one colour has its own place and width, so that columns stay columns in any font.
fn draw_line(svg: &mut String, y: usize, line: &str) {
    let mut column = 0;
    for (class, piece) in pieces(line) {
        for (blanks, words) in words(&piece) {
            column += blanks;
            let columns = words.chars().count();
            let (x, length) = (MARGIN + column as f64 * COLUMN, columns as f64 * COLUMN);
            let class = class.map_or_else(String::new, |class| format!(" class=\"{class}\""));
            let words = escaped(&words);
            *svg +=
                &format!("<text x=\"{x:.1}\" y=\"{y}\" textLength=\"{length:.1}\"{class}>{words}</text>\n");
            column += columns;
        }
        column += piece.chars().rev().take_while(|char| *char == ' ').count();
    }
}

/// Pieces of a line, each with its class of the style sheet: bold, faint, yellow, red.
fn pieces(line: &str) -> Vec<(Option<char>, String)> {
    let mut class = None;
    let mut pieces = Vec::new();
    for (number, part) in line.split("\x1b[").enumerate() {
        let text = match part.split_once('m').filter(|_| number > 0) {
            Some((codes, text)) => {
                class = codes.split(';').fold(class, class_of);
                text
            }
            None => part,
        };
        if !text.is_empty() {
            pieces.push((class, text.to_owned()));
        }
    }
    pieces
}

/// What a code of "select graphic rendition" makes of the class; red is bold by the style sheet.
fn class_of(class: Option<char>, code: &str) -> Option<char> {
    match code {
        "0" | "" => None,
        "1" => class.or(Some('b')),
        "2" => Some('f'),
        "33" => Some('y'),
        "31" => Some('r'),
        _ => class,
    }
}

/// Words with single blanks between them, after so many blanks.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.trim_start_matches(' ').is_empty() {
        let words = rest.trim_start_matches(' ');
        let end = words.find("  ").unwrap_or(words.trim_end_matches(' ').len());
        found.push((rest.len() - words.len(), words[..end].to_owned()));
        rest = &words[end..];
    }
    found
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_classes_and_columns_places() {
        let line = "\x1b[1mGIL\x1b[0m  <a> 1  \x1b[1m\x1b[31mbad\x1b[0m";
        let mut svg = String::new();
        draw_line(&mut svg, 64, line);
        assert_eq!(
            svg,
            "<text x=\"18.0\" y=\"64\" textLength=\"23.5\" class=\"b\">GIL</text>\n\
             <text x=\"57.1\" y=\"64\" textLength=\"39.1\">&lt;a&gt; 1</text>\n\
             <text x=\"112.0\" y=\"64\" textLength=\"23.5\" class=\"r\">bad</text>\n"
        );
    }
}
