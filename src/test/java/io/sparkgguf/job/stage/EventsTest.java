package io.sparkgguf.job.stage;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class EventsTest {
    @Test
    void valuesThatAreNotPlainAreQuotedOnOneLine() {
        assertEquals(
                "event=stage.end stage=\"blk.3: solve\" items=12 seconds=0.250 file=hdfs://host:8020/a-b",
                Events.line(
                        "stage.end",
                        "stage",
                        "blk.3: solve",
                        "items",
                        12,
                        "seconds",
                        0.25,
                        "reason",
                        null,
                        "file",
                        "hdfs://host:8020/a-b"));
        assertEquals(
                "event=task.failed reason=\"Cannot read \\\"a\\\\b\\\": it is gone at b=1\" empty=\"\"",
                Events.line("task.failed", "reason", "Cannot read \"a\\b\":\n\tit is gone\nat b=1", "empty", ""));
    }
}
