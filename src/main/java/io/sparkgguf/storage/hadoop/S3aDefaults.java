package io.sparkgguf.storage.hadoop;

import java.util.Map;
import org.apache.hadoop.conf.Configuration;

/**
 * How patient S3A is where nobody said otherwise. Hadoop's own values are made for clients that try only once: under our
 * retries, and Spark's, they would add up to hours before a store that stays away is told.
 */
final class S3aDefaults {
    private static final Map<String, String> SETTINGS = Map.ofEntries(
            Map.entry("fs.s3a.attempts.maximum", "3"), // of the SDK, for one request
            Map.entry("fs.s3a.retry.limit", "4"), // of S3A, above the SDK
            Map.entry("fs.s3a.retry.throttle.limit", "6"), // the same for a store that says that it is overloaded
            Map.entry("fs.s3a.retry.throttle.interval", "500ms"),
            Map.entry("fs.s3a.connection.timeout", "60s"), // of a stream that stands still
            // Of a whole request: completing an upload of thousands of parts takes stores minutes.
            Map.entry("fs.s3a.connection.request.timeout", "15m"),
            // Positional reads into our own buffers: the accelerator that 3.5 puts in front caches up to 2 GiB behind
            // them.
            Map.entry("fs.s3a.input.stream.type", "classic"),
            // The store compares each part with what was sent.
            Map.entry("fs.s3a.create.checksum.algorithm", "CRC32C"),
            // A read that finds another content fails, whatever is asked for first.
            Map.entry("fs.s3a.change.detection.mode", "server"),
            Map.entry("fs.s3a.change.detection.source", "etag"));

    private static final String HADOOPS_OWN = "core-default.xml";

    private S3aDefaults() {}

    /** Sets what is still as Hadoop's own file has it. */
    static void apply(Configuration configuration) {
        SETTINGS.forEach((key, value) -> {
            String[] sources = configuration.getPropertySources(key);
            boolean chosen = sources != null && sources.length > 0 && !HADOOPS_OWN.equals(sources[sources.length - 1]);
            if (!chosen) {
                configuration.set(key, value, "spark-gguf");
            }
        });
    }
}
