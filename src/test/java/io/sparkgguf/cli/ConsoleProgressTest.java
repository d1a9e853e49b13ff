package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.job.stage.Progress;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ConsoleProgressTest {
    private static final long SECOND = 1_000_000_000L;
    private static final long MEBIBYTE = 1 << 20;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final AtomicLong clock = new AtomicLong(77);
    private final ConsoleProgress progress =
            new ConsoleProgress(new PrintStream(bytes, true, StandardCharsets.UTF_8), false, false, clock::get);

    private String printed() {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @Test
    void aLineEveryFewSecondsTellsPaceAndTimeLeft() {
        progress.begin("quantize", 400 * MEBIBYTE, Progress.Unit.BYTES);
        clock.addAndGet(4 * SECOND);
        progress.advance(50 * MEBIBYTE);
        assertEquals("", printed());
        clock.addAndGet(6 * SECOND);
        progress.advance(50 * MEBIBYTE);
        assertEquals("quantize   25 %  100 of 400 MiB  10 MiB/s  ETA 0:30" + System.lineSeparator(), printed());
        clock.addAndGet(30 * SECOND);
        progress.advance(300 * MEBIBYTE);
        progress.end();
        assertEquals(1, printed().lines().count(), "the last line says nothing that the end does not");
    }

    @Test
    void whatWasKnownFromBeforeCountsAsDoneButNotAsPace() {
        progress.begin("blk.3: solve", 1000, Progress.Unit.TOKENS);
        progress.recalled(800);
        clock.addAndGet(10 * SECOND);
        progress.advance(50);
        assertEquals(
                "blk.3: solve  85 %  850 of 1,000 tokens  5 tokens/s  ETA 0:30" + System.lineSeparator(), printed());
        progress.end();
        progress.begin("next", 10, Progress.Unit.TOKENS);
        clock.addAndGet(6 * SECOND);
        progress.advance(6);
        assertTrue(
                printed().endsWith("next       60 %  6 of 10 tokens  1 tokens/s  ETA 0:04" + System.lineSeparator()),
                printed());
    }

    @Test
    void aStageOfWhichAllButTheLastWasKnownTellsNoPaceBeforeThereIsOne() {
        progress.begin("solve", 1000, Progress.Unit.TOKENS);
        progress.recalled(900);
        clock.addAndGet(10 * SECOND);
        progress.advance(0);
        assertEquals("", printed());
    }
}
