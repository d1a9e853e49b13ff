package io.sparkgguf.assemble;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.MemoryStorage;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ByteRangeTest {
    @TempDir
    Path folder;

    private final List<Part> parts = new ArrayList<>();
    private byte[] expected;

    private static void write(Storage storage, String file, byte[] bytes) throws IOException {
        try (OutputStream out = storage.create(file)) {
            out.write(bytes);
        }
    }

    private static byte[] read(Storage storage, String file) throws IOException {
        try (var reader = storage.open(file)) {
            byte[] bytes = new byte[(int) reader.length()];
            reader.readFully(0, bytes, 0, bytes.length);
            return bytes;
        }
    }

    /** Parts of random lengths with padding between, and the file that they make. */
    private void layOut(Storage storage, Random random) throws IOException {
        expected = new byte[5_000 + random.nextInt(5_000)];
        int at = 0;
        while (true) {
            int length = 1 + random.nextInt(900);
            int gap = random.nextInt(40);
            if (at + length + gap > expected.length) {
                return;
            }
            byte[] bytes = new byte[length];
            random.nextBytes(bytes);
            Part part = new Part(
                    parts.size(),
                    folder.resolve("part-" + parts.size()).toString(),
                    at,
                    length,
                    Digest.of(bytes, 0, length));
            write(storage, part.file(), bytes);
            System.arraycopy(bytes, 0, expected, at, length);
            parts.add(part);
            at += length + gap;
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void rangesInAnyOrderPutThePartsInPlace(long seed) throws IOException {
        Storage storage = new LocalStorage();
        Random random = new Random(seed);
        layOut(storage, random);
        List<ByteRange> ranges = new ArrayList<>(ByteRange.cut(0, expected.length, 1 + random.nextInt(1_500), parts));

        String output = folder.resolve("output").toString();
        write(storage, output, new byte[] {1});
        FileCommit commit = storage.commit(output, expected.length);
        commit.begin(null);
        Collections.shuffle(ranges, random);
        RangeCopier copier = new RangeCopier(storage, List.of(commit.sink(ranges.size())));
        for (ByteRange range : ranges) {
            copier.run(range);
            copier.run(range); // a second attempt changes nothing
        }
        assertArrayEquals(new byte[] {1}, read(storage, output));
        commit.seal(List.of());
        commit.publish();
        assertArrayEquals(expected, read(storage, output), "seed " + seed);
    }

    /** A place that knows whole files only gets one range, which one task streams. */
    @Test
    void oneRangeIsStreamed() throws IOException {
        MemoryStorage storage = new MemoryStorage();
        layOut(storage, new Random(9));
        FileCommit commit = storage.commit("output", expected.length);
        commit.begin(null);
        long length = ByteRange.length(expected.length, 100, commit.leastRange(), commit.mostRanges());
        List<ByteRange> ranges = ByteRange.cut(0, expected.length, length, parts);
        assertEquals(1, ranges.size());
        new RangeCopier(storage, List.of(commit.sink(1))).run(ranges.get(0));
        assertTrue(!storage.exists("output"));
        commit.seal(List.of(""));
        commit.publish();
        assertArrayEquals(expected, read(storage, "output"));
        assertTrue(!storage.exists("output.unfinished"));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void rangesAreWithinTheirBoundsAndCoverTheFile(long seed) throws IOException {
        Random random = new Random(seed);
        layOut(new MemoryStorage(), random);
        int length = 1 + random.nextInt(1_500);
        List<ByteRange> ranges = ByteRange.cut(3, expected.length, length, parts);
        long next = 0;
        for (int i = 0; i < ranges.size(); i++) {
            ByteRange range = ranges.get(i);
            boolean last = i == ranges.size() - 1;
            assertEquals(
                    List.of(3, i, next, last), List.of(range.output(), range.index(), range.offset(), range.last()));
            assertTrue(range.length() <= 2 * length, range + ", seed " + seed);
            assertTrue(last || range.length() >= length, range + ", seed " + seed);
            next = range.end();
            boolean cuts =
                    range.pieces().stream().anyMatch(piece -> piece.part().end() > range.end());
            assertTrue(!cuts || range.length() == length, "cut a part though one ended in time, seed " + seed);
        }
        assertEquals(expected.length, next);
    }

    @ParameterizedTest
    @CsvSource({
        "1000, 64, 1, 1000, 64",
        "1000, 64, 100, 1000, 100",
        "1000, 64, 1, 10, 100",
        "1001, 64, 1, 10, 101",
        "1001, 64, 1, 1, 1001",
        "2000000000000, 67108864, 5242880, 9999, 200020003"
    })
    void lengthFollowsFromWhatThePlaceTakes(long total, long wanted, long least, int most, long length) {
        assertEquals(length, ByteRange.length(total, wanted, least, most));
    }

    @Test
    void offsetsBeyondTwoGigabytesStayExact() {
        long unit = 3L << 30;
        List<Part> large = List.of(new Part(0, "a", 64, unit, 0), new Part(1, "b", 64 + unit, unit, 0));
        long covered = 0;
        for (ByteRange range : ByteRange.cut(2, 64 + 2 * unit, ByteRange.LENGTH, large)) {
            for (Piece piece : range.pieces()) {
                assertTrue(piece.offset() >= piece.part().offset()
                        && piece.end() <= piece.part().end());
                assertTrue(piece.offset() >= range.offset() && piece.end() <= range.end());
                covered += piece.length();
            }
        }
        assertEquals(2 * unit, covered);
    }

    /**
     * Ten parts of 100 bytes in ranges of 150: 0-199, 200-399 and so on; in ranges of 30: cut inside the parts, where a
     * range takes only the beginning, the middle or the end of a part that is checked as a whole.
     */
    @ParameterizedTest
    @CsvSource({"150", "30"})
    void damageIsFoundWhereverItLies(int rangeLength) throws IOException {
        MemoryStorage storage = new MemoryStorage();
        for (int i = 0; i < 10; i++) {
            byte[] bytes = new byte[100];
            new Random(i).nextBytes(bytes);
            parts.add(new Part(i, "part-" + i, 100L * i, 100, Digest.of(bytes, 0, 100)));
            storage.put("part-" + i, bytes);
        }
        storage.put("part-3", with(read(storage, "part-3"), 99));
        storage.put("part-4", new byte[99]);
        storage.delete("part-8");
        Map<Integer, String> reasons = Map.of(
                3,
                "Cannot use part-3: it has xxHash64 \\w{16}, written was \\w{16}",
                4,
                "Cannot use part-4: it has 99 bytes, written were 100",
                8,
                "Cannot use part-8: it is missing");
        List<ByteRange> ranges = ByteRange.cut(0, 1000, rangeLength, parts);
        FileCommit commit = new LocalStorage().commit(folder.resolve("output").toString(), 1000);
        commit.begin(null);
        RangeCopier copier = new RangeCopier(storage, List.of(commit.sink(ranges.size())));
        for (ByteRange range : ranges) {
            List<Integer> bad = range.pieces().stream()
                    .map(piece -> piece.part().id())
                    .filter(reasons::containsKey)
                    .toList();
            Copied copied = copier.run(range);
            assertEquals(bad, copied.damaged());
            assertEquals(bad.isEmpty(), copied.receipt() != null);
            if (!bad.isEmpty()) {
                assertTrue(copied.reason().matches(reasons.get(bad.get(0))), copied.reason());
            }
        }
        commit.abort();
    }

    private static byte[] with(byte[] bytes, int changed) {
        bytes[changed]++;
        return bytes;
    }
}
