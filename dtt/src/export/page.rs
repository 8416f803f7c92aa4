//! How branches share a page: the highest first, and lower ones beside each other and on top of each other next to it.

/// The width and height of what is to be placed.
pub(super) type Size = (f64, f64);

/// The size of a thing without a fixed shape, by the scale and a width.
pub(super) type BoxAt<'a> = &'a dyn Fn(f64, f64) -> Size;

/// The scale that fits, and where everything goes.
pub(super) struct Page {
    /// The width in pixels, with margins.
    pub(super) width: f64,
    /// Pixels a unit.
    pub(super) zoom: f64,
    /// The left upper corner of each thing, in units.
    pub(super) corners: Vec<(f64, f64)>,
    /// How wide and how high that is, in units.
    pub(super) used: Size,
    /// The width that the thing without a fixed shape was given.
    pub(super) given: f64,
}

/// The margin on the left and on the right.
pub(super) const MARGIN: f64 = 32.0;

/// The width of the page, the scale, and the largest height of what is on it: small trees get small pages.
const SCALES: [(f64, f64, f64); 13] = [
    (760.0, 1.6, 330.0),
    (900.0, 1.35, 430.0),
    (900.0, 1.1, 560.0),
    (1200.0, 1.2, 560.0),
    (1200.0, 1.0, 700.0),
    (1200.0, 0.85, 850.0),
    (1200.0, 0.7, 900.0),
    (1200.0, 0.6, 950.0),
    (1200.0, 0.52, 1000.0),
    (1200.0, 0.45, 1050.0),
    (1200.0, 0.38, 1100.0),
    (1200.0, 0.32, 1200.0),
    (1200.0, 0.27, 4000.0),
];

/// Places things on the page at the largest scale at which they fit. One more thing has no fixed shape: `box_at` tells
/// its size at a scale and a width.
pub(super) fn arrange(sizes: &[Size], box_at: Option<BoxAt<'_>>) -> Page {
    let widest = sizes.iter().map(|size| size.0).fold(0.0, f64::max);
    let highest = sizes.iter().map(|size| size.1).fold(0.0, f64::max);
    let mut best = None;
    for (width, zoom, most) in SCALES {
        let room = (width - 2.0 * MARGIN) / zoom;
        if widest > room || highest * zoom > most {
            continue;
        }
        let page = at_scale(sizes, box_at, width, zoom, room);
        let fits = page.used.1 * zoom <= most;
        best = Some(page);
        if fits {
            break;
        }
    }
    best.unwrap_or_else(|| {
        let width = SCALES[SCALES.len() - 1].0;
        let inner = width - 2.0 * MARGIN;
        let smallest = SCALES[SCALES.len() - 1].1;
        let zoom = smallest.min(inner / widest).min(6000.0 / highest);
        at_scale(sizes, box_at, width, zoom, inner / zoom)
    })
}

fn at_scale(sizes: &[Size], box_at: Option<BoxAt<'_>>, width: f64, zoom: f64, room: f64) -> Page {
    let page = |sizes: &[Size], given| {
        let (corners, used) = place(sizes, room);
        Page {
            width,
            zoom,
            corners,
            used,
            given,
        }
    };
    let Some(box_at) = box_at else {
        return page(sizes, 0.0);
    };
    // The shape of the box with which the page is the lowest.
    let mut best: Option<Page> = None;
    for part in [1.0, 0.7, 0.5, 0.35, 0.25] {
        let mut sizes = sizes.to_vec();
        let given = room * part;
        let size = box_at(zoom, given);
        if size.0 > room {
            continue;
        }
        sizes.push(size);
        let page = page(&sizes, given);
        if best.as_ref().is_none_or(|best| page.used.1 < best.used.1) {
            best = Some(page);
        }
    }
    best.unwrap_or_else(|| page(sizes, room))
}

/// The corners of things that stay together, and their size in all.
pub(super) type Group = (Vec<(f64, f64)>, Size);

/// Places things that stay together, within about `wide` units.
pub(super) fn group(sizes: &[Size], wide: f64) -> Group {
    let area: f64 = sizes.iter().map(|size| size.0 * size.1).sum();
    let widest = sizes.iter().map(|size| size.0).fold(0.0, f64::max);
    place(sizes, (1.7 * area).sqrt().min(wide).max(widest))
}

/// Things that have no place yet, from the highest to the lowest.
struct Waiting<'a> {
    sizes: &'a [Size],
    order: Vec<usize>,
}

/// Where things go within a width.
fn place(sizes: &[Size], width: f64) -> (Vec<(f64, f64)>, Size) {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|a, b| {
        let (a_size, b_size) = (sizes[*a], sizes[*b]);
        let by_height = b_size.1.total_cmp(&a_size.1);
        by_height.then(b_size.0.total_cmp(&a_size.0)).then(a.cmp(b))
    });
    let mut corners = vec![(0.0, 0.0); sizes.len()];
    let mut waiting = Waiting { sizes, order };
    waiting.fill((0.0, 0.0), (width, f64::INFINITY), &mut corners);
    let mut used: Size = (0.0, 0.0);
    for (corner, size) in corners.iter().zip(sizes) {
        used.0 = used.0.max(corner.0 + size.0);
        used.1 = used.1.max(corner.1 + size.1);
    }
    (corners, used)
}

impl Waiting<'_> {
    /// Fills an area with shelves: on the left of each the highest thing that fits, and beside it as many shelves again
    /// as that is high.
    fn fill(&mut self, corner: (f64, f64), area: Size, corners: &mut [(f64, f64)]) {
        // To each area on the left of which something stands, there is one to the right.
        let mut open = vec![(corner, area)];
        while let Some((corner, area)) = open.pop() {
            let fits = |index: &usize| {
                let size = self.sizes[*index];
                size.0 <= area.0 + 0.001 && size.1 <= area.1 + 0.001
            };
            let Some(at) = self.order.iter().position(fits) else {
                continue;
            };
            let index = self.order.remove(at);
            let (width, height) = self.sizes[index];
            corners[index] = corner;
            open.push(((corner.0, corner.1 + height), (area.0, area.1 - height)));
            open.push(((corner.0 + width, corner.1), (area.0 - width, height)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps() {
        let sizes: Vec<Size> = (1..80_u32)
            .map(|index| (f64::from(index * 37 % 90), f64::from(index * 53 % 70)))
            .collect();
        let (corners, used) = place(&sizes, 300.0);
        assert!(used.0 <= 300.001);
        for (a, size) in sizes.iter().enumerate() {
            for (b, other) in sizes[..a].iter().enumerate() {
                let apart = |a: f64, wide: f64, b: f64, other: f64| {
                    a + wide <= b + 0.001 || b + other <= a + 0.001
                };
                assert!(
                    apart(corners[a].0, size.0, corners[b].0, other.0)
                        || apart(corners[a].1, size.1, corners[b].1, other.1)
                );
            }
        }
    }

    #[test]
    fn a_wide_thing_is_scaled_down() {
        let page = arrange(&[(100_000.0, 10.0)], None);
        assert!(page.used.0 * page.zoom <= page.width);
        assert!(arrange(&[], None).used.0 < 1.0);
    }
}
