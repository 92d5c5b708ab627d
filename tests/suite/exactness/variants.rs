//! The exporter's numbers for variants of the presence API.

use super::*;

/// A tenant of twelve agents with these variants, separated by blanks.
async fn harness_of(align: Align, variants: &str) -> AppHarness {
    let api_variants = variants.split_whitespace().map(|text| text.parse().unwrap()).collect();
    let now = if align == Align::Hour { ODD.whole_second() } else { ODD };
    harness(now, SimulatorOptions { align, api_variants, page_size: 50, ..options() }, 5, 2).await
}

#[tokio::test]
async fn presence_variants_are_exact() {
    let variants = ["", "repeated-states", "x-gzip", "gzip-members", "bom", "repeated-states x-gzip gzip-members bom"];
    for align in [Align::HourCut, Align::Hour, Align::Window] {
        for variants in variants {
            let harness = harness_of(align, variants).await;
            let window = last_day(&harness.app.clock);
            let scrape = harness.app.scrape().await;
            println!("{align:?} {variants}");
            harness.assert_exact(&scrape, window);
        }
    }
}
