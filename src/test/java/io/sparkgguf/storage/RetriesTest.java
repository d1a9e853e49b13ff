package io.sparkgguf.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RetriesTest {
    private final Retries retries = new Retries(4, 0, 0);
    private int tried;

    private String failing(int times, IOException failure) throws IOException {
        tried = 0;
        return retries.run(
                e -> !(e instanceof FileNotFoundException),
                e -> new IOException("Cannot read it: " + e.getMessage(), e),
                () -> {
                    if (tried++ < times) {
                        throw failure;
                    }
                    return "done";
                });
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void triesUntilItSucceeds(int failures) throws IOException {
        long before = Retries.count();
        assertEquals("done", failing(failures, new IOException("reset")));
        assertEquals(failures + 1, tried);
        assertEquals(failures, Retries.count() - before);
    }

    @Test
    void givesUpAndSaysHowOftenItTried() {
        IOException reset = new IOException("reset");
        IOException told = assertThrows(IOException.class, () -> failing(4, reset));
        assertEquals("Cannot read it: reset (tried 4 times)", told.getMessage());
        assertSame(reset, told.getCause());
        assertEquals(4, tried);
    }

    @Test
    void doesNotRepeatWhatWillNotPass() {
        assertEquals(
                "Cannot read it: gone",
                assertThrows(IOException.class, () -> failing(1, new FileNotFoundException("gone")))
                        .getMessage());
        assertEquals(1, tried);
    }

    @Test
    void endsWhenTheTaskIsCancelledWhileItWaits() {
        Thread.currentThread().interrupt();
        assertThrows(InterruptedIOException.class, () -> failing(1, new IOException("reset")));
        assertTrue(Thread.interrupted(), "whoever called is told, too");
        assertEquals(1, tried);
    }

    @Test
    void refusesNumbersThatMakeNoSense() {
        assertThrows(IllegalArgumentException.class, () -> new Retries(0, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new Retries(1, 2, 1));
    }
}
