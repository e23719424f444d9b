//! The size of a picture, in other words than OpenAI's.

/// Width and height of `1024x1536`.
pub(in crate::dialect) fn pixels(size: &str) -> Option<(u32, u32)> {
    let (width, height) = size.split_once(['x', 'X', '*'])?;
    let (width, height) = (width.trim().parse().ok()?, height.trim().parse().ok()?);
    (width > 0 && height > 0).then_some((width, height))
}

/// The proportions that come nearest to those of a size, of those on offer: `16:9`. A text that is one goes through.
pub(in crate::dialect) fn aspect<'a>(size: &'a str, offered: &[&'a str]) -> Option<&'a str> {
    if offered.contains(&size) {
        return Some(size);
    }
    let (width, height) = pixels(size)?;
    let wanted = (f64::from(width) / f64::from(height)).ln();
    let distance = |ratio: &str| {
        let (across, down) = ratio.split_once(':')?;
        let (across, down): (f64, f64) = (across.parse().ok()?, down.parse().ok()?);
        Some(((across / down).ln() - wanted).abs())
    };
    let known = offered.iter().filter_map(|ratio| Some((*ratio, distance(ratio)?)));
    known.min_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(ratio, _)| ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_pixels_and_in_proportions() {
        let check = |size: &str, expect: Option<&str>| {
            let offered = ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3"];
            assert_eq!(aspect(size, &offered), expect, "{size}");
        };
        check("1024x1024", Some("1:1"));
        check("1792x1024", Some("16:9"));
        check("1024x1792", Some("9:16"));
        check("1536x1024", Some("3:2"));
        check("1280x896", Some("3:2"));
        check("16:9", Some("16:9"));
        check("auto", None);
        check("0x5", None);
        assert_eq!(pixels("512x256"), Some((512, 256)));
    }
}
