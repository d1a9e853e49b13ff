package io.sparkgguf.storage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Reading ahead and writing behind: in order, whole, and every failure is told to who would otherwise not know of it. */
@Timeout(60)
class SideThreadsTest {
    @TempDir
    private Path folder;

    @Test
    void piecesComeInOrderInTwoArraysThatTakeTurns() throws IOException {
        AtomicInteger next = new AtomicInteger();
        byte[] first = new byte[4];
        byte[] second = new byte[4];
        try (ReadAhead ahead =
                new ReadAhead(100, first, second, into -> Arrays.fill(into, (byte) next.getAndIncrement()))) {
            byte[] before = null;
            for (int i = 0; i < 100; i++) {
                byte[] piece = ahead.next();
                assertNotSame(before, piece);
                assertTrue(piece == first || piece == second);
                assertArrayEquals(new byte[] {(byte) i, (byte) i, (byte) i, (byte) i}, piece);
                before = piece;
            }
            assertThrows(IllegalStateException.class, ahead::next);
        }
    }

    /** A piece that is being worked on is never overwritten: no third one is read before it is given back. */
    @Test
    void readsOnePieceAheadAndNoMore() throws Exception {
        AtomicInteger begun = new AtomicInteger();
        try (ReadAhead ahead = new ReadAhead(5, new byte[1], new byte[1], into -> begun.incrementAndGet())) {
            ahead.next();
            byte[] second = ahead.next();
            while (begun.get() < 3) {
                Thread.onSpinWait(); // the array of the first piece is read into again
            }
            second[0] = 7;
            Thread.sleep(20); // time for a fourth, were it not forbidden
            assertEquals(3, begun.get());
            assertEquals(7, second[0]);
        }
    }

    @Test
    void failureOfAReadComesAfterThePiecesBeforeIt() throws IOException {
        IOException broken = new IOException("broken");
        AtomicInteger next = new AtomicInteger();
        try (ReadAhead ahead = new ReadAhead(9, new byte[1], new byte[1], into -> {
            if (next.getAndIncrement() == 2) {
                throw broken;
            }
        })) {
            ahead.next();
            ahead.next();
            assertSame(broken, assertThrows(IOException.class, ahead::next));
        }
    }

    @Test
    void errorsAreTheReadersToo() {
        OutOfMemoryError full = new OutOfMemoryError("test");
        try (ReadAhead ahead = new ReadAhead(1, new byte[1], new byte[1], into -> {
            throw full;
        })) {
            assertSame(full, assertThrows(OutOfMemoryError.class, ahead::next));
        }
    }

    /** A cancelled task leaves at once, and nobody writes into its arrays any more. */
    @Test
    void closingStopsAReadThatHangs() throws Exception {
        CountDownLatch reading = new CountDownLatch(1);
        AtomicInteger ended = new AtomicInteger();
        ReadAhead ahead = new ReadAhead(3, new byte[1], new byte[1], into -> {
            reading.countDown();
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                ended.incrementAndGet();
                throw new InterruptedIOException();
            }
        });
        reading.await();
        Thread.currentThread().interrupt();
        assertThrows(InterruptedIOException.class, ahead::next);
        assertTrue(Thread.interrupted());
        ahead.close();
        assertEquals(1, ended.get());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 1000, 1 << 20, (1 << 20) + 1, 20_000_000})
    void writesAllBytesAtTheirPlace(int count) throws IOException {
        byte[] bytes = new byte[count];
        new Random(count).nextBytes(bytes);
        Path path = folder.resolve("out");
        Files.write(path, new byte[count + 10]);
        Traffic before = Traffic.ofThread();
        try (WriteBehind out = new WriteBehind(writer(path), 5, count)) {
            int at = 0;
            while (at < count) {
                int piece = Math.min(count - at, 333_333);
                out.write(bytes, at, piece);
                at += piece;
            }
            out.finish();
        }
        byte[] written = Files.readAllBytes(path);
        assertEquals(count + 10, written.length);
        assertArrayEquals(bytes, Arrays.copyOfRange(written, 5, count + 5));
        assertEquals(count, Traffic.ofThread().written() - before.written(), "counted as this thread's");
    }

    /** A full disk, for example: told at the latest by finish, also when there is much more to write. */
    @ParameterizedTest
    @ValueSource(ints = {1, 50})
    void failureOfAWriteIsTold(int mebibytes) {
        IOException full = new IOException("no space left");
        Failing file = new Failing(full);
        WriteBehind out = new WriteBehind(file, 0, (long) mebibytes << 20);
        assertSame(full, assertThrows(IOException.class, () -> {
            try (out) {
                for (int i = 0; i < mebibytes; i++) {
                    out.write(new byte[1 << 20], 0, 1 << 20);
                }
                out.finish();
            }
        }));
        assertTrue(file.closed);
    }

    @Test
    void whatIsNotFinishedIsLeftWhereItIs() throws IOException {
        Path path = folder.resolve("out");
        Files.write(path, new byte[3]);
        WriteBehind out = new WriteBehind(writer(path), 0, 3);
        out.write(new byte[] {1, 2, 3}, 0, 3);
        out.close();
        out.close();
        assertArrayEquals(new byte[3], Files.readAllBytes(path));
        assertFalse(Thread.currentThread().isInterrupted());
    }

    private static RangeWriter writer(Path path) throws IOException {
        return RangeWriter.open(new LocalStorage(), path.toString());
    }

    /** A file that takes nothing. */
    private static final class Failing implements RangeWriter {
        private final IOException reason;
        private boolean closed;

        Failing(IOException reason) {
            this.reason = reason;
        }

        @Override
        public String file() {
            return "failing";
        }

        @Override
        public void write(long offset, byte[] from, int at, int count) throws IOException {
            throw reason;
        }

        @Override
        public void setLength(long length) {}

        @Override
        public void force() {}

        @Override
        public void close() {
            closed = true;
        }
    }
}
