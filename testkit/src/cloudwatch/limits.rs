//! Pure: every limit of PutMetricData, with its unit and its source.
//!
//! "API reference" is that of Amazon CloudWatch, by page name:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>.

/// Bytes of one request, as it was sent. Source: API reference, PutMetricData (1 MB).
pub(crate) const BYTES_PER_PUT: usize = 1 << 20;

/// Metrics in one request. Source: API reference, PutMetricData, `MetricData.member.N`.
pub(crate) const METRICS_PER_PUT: usize = 1_000;

/// Dimensions of one metric. Source: API reference, MetricDatum, `Dimensions.member.N`.
pub(crate) const DIMENSIONS: usize = 30;

/// Values of one metric in one request. Source: API reference, MetricDatum, `Values.member.N`.
pub(crate) const VALUES: usize = 150;

/// Characters of a namespace, of a metric's name, and of a dimension's name. Source: API reference, PutMetricData,
/// MetricDatum, Dimension.
pub(crate) const NAME_CHARACTERS: usize = 255;

/// Characters of a dimension's value. Source: API reference, Dimension, `Value`.
pub(crate) const DIMENSION_VALUE_CHARACTERS: usize = 1_024;

/// Values are between minus and plus two to this power. Source: API reference, MetricDatum, `Value`.
pub(crate) const VALUE_EXPONENT: i32 = 360;

/// Units. Source: API reference, MetricDatum, `Unit`.
pub(crate) const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];
