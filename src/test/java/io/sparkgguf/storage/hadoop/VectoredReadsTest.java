package io.sparkgguf.storage.hadoop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.ReadRange;
import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Over viewfs, whose streams have no vectored reads of their own; those of S3A and HDFS are tried in {@code cluster}. */
class VectoredReadsTest {
    private static final int MEGABYTE = 1 << 20;

    @TempDir
    Path folder;

    private static ReadRange range(long offset, int count) {
        return new ReadRange(offset, new byte[count], 0, count);
    }

    @Test
    void batchesAreBoundedAndInTheOrderOfTheFile() {
        ReadRange large = range(100L * MEGABYTE, 3 * VectoredReads.BATCH);
        List<ReadRange> ranges = new ArrayList<>(List.of(large, range(7, 0)));
        for (int i = 0; i < 30; i++) {
            ranges.add(range((29L - i) * 2 * MEGABYTE, MEGABYTE)); // gaps of a megabyte, which are read through
        }
        List<List<ReadRange>> batches = VectoredReads.batches(ranges);
        assertEquals(List.of(large), batches.get(batches.size() - 1), "it is read alone");
        assertEquals(31, batches.stream().mapToInt(List::size).sum(), "an empty range needs no reading");
        long end = 0;
        for (List<ReadRange> batch : batches.subList(0, batches.size() - 1)) {
            assertTrue(batch.get(0).offset() >= end);
            end = batch.get(batch.size() - 1).end();
            assertTrue(end - batch.get(0).offset() <= VectoredReads.BATCH, batch.size() + " ranges");
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void readsWhatSingleReadsRead(long seed) throws IOException {
        Random random = new Random(seed);
        byte[] bytes = new byte[6 * MEGABYTE];
        random.nextBytes(bytes);
        Files.write(folder.resolve("f"), bytes);
        List<ReadRange> ranges = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            int count = random.nextInt(200_000);
            ranges.add(new ReadRange(random.nextInt(bytes.length - count), new byte[count + 5], 5, count));
        }
        Collections.shuffle(ranges, random);
        try (RangeReader reader = open(seed)) {
            reader.readRanges(ranges);
            for (ReadRange range : ranges) {
                int from = (int) range.offset();
                assertArrayEquals(
                        Arrays.copyOfRange(bytes, from, from + range.count()),
                        Arrays.copyOfRange(range.into(), 5, range.into().length),
                        "seed " + seed + ", range at " + from);
            }
            assertEquals(
                    "Cannot read 2 bytes from byte 6291455 of " + reader.file() + ": the file has 6291456 bytes",
                    assertThrows(
                                    EOFException.class,
                                    () -> reader.readRanges(List.of(range(0, 5), range(bytes.length - 1, 2))))
                            .getMessage());
        }
    }

    private RangeReader open(long seed) throws IOException {
        String authority = folder.getFileName() + "-" + seed;
        return new HadoopStorage(Map.of(
                        "fs.viewfs.mounttable." + authority + ".link./data",
                        folder.toUri().toString()))
                .open("viewfs://" + authority + "/data/f");
    }

    @Test
    void refusesRangesThatDoNotFitTheirArrays() {
        assertThrows(IndexOutOfBoundsException.class, () -> new ReadRange(0, new byte[4], 1, 4));
        assertThrows(IllegalArgumentException.class, () -> new ReadRange(-1, new byte[4], 0, 4));
        assertThrows(IllegalArgumentException.class, () -> new ReadRange(Long.MAX_VALUE, new byte[4], 0, 4));
    }
}
