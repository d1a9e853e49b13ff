package io.sparkgguf.assemble;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.LocalStorage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ByteRangeTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void rangesInAnyOrderPutThePartsInPlace(long seed) throws IOException {
        Random random = new Random(seed);
        byte[] expected = new byte[5_000 + random.nextInt(5_000)];
        List<Piece> parts = new ArrayList<>();
        int at = 0;
        while (true) {
            int length = random.nextInt(900);
            int gap = random.nextInt(40); // padding between tensors
            if (at + length + gap > expected.length) {
                break;
            }
            byte[] bytes = new byte[length];
            random.nextBytes(bytes);
            Path part = folder.resolve("part-" + parts.size());
            Files.write(part, bytes);
            System.arraycopy(bytes, 0, expected, at, length);
            parts.add(new Piece(part.toString(), 0, at, length));
            at += length + gap;
        }
        long rangeLength = 1 + random.nextInt(1_500);
        List<ByteRange> ranges = new ArrayList<>(ByteRange.cut(0, expected.length, rangeLength, parts));

        assertEquals(
                expected.length, ranges.stream().mapToLong(ByteRange::length).sum());
        Path output = folder.resolve("output");
        Files.writeString(output, "of yesterday");
        Collections.shuffle(ranges, random);
        FileCommit commit = new LocalStorage().commit(output.toString(), expected.length);
        commit.begin(null);
        RangeCopier copier = new RangeCopier(new LocalStorage(), List.of(commit.sink()));
        for (ByteRange range : ranges) {
            copier.run(range);
            copier.run(range); // a second attempt changes nothing
        }
        assertEquals("of yesterday", Files.readString(output));
        commit.seal(List.of());
        commit.publish();
        assertArrayEquals(expected, Files.readAllBytes(output), "seed " + seed);
    }

    @Test
    void offsetsBeyondTwoGigabytesStayExact() {
        long unit = 3L << 30;
        List<Piece> parts = List.of(new Piece("a", 0, 64, unit), new Piece("b", 0, 64 + unit, unit));
        List<ByteRange> ranges = ByteRange.cut(2, 64 + 2 * unit, ByteRange.LENGTH, parts);

        long covered = 0;
        long next = 0;
        for (ByteRange range : ranges) {
            assertEquals(next, range.offset());
            assertEquals(2, range.output());
            next += range.length();
            for (Piece piece : range.pieces()) {
                long start = piece.file().equals("a") ? 64 : 64 + unit;
                assertEquals(piece.offset() - start, piece.fileOffset());
                covered += piece.length();
            }
        }
        assertEquals(2 * unit, covered);
    }
}
