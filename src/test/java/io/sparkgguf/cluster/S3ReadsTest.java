package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cluster.FaultProxy.Fault;
import io.sparkgguf.storage.PinnedStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.ReadRange;
import io.sparkgguf.storage.Retries;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.storage.hadoop.HadoopStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Reading from an S3 store that is overloaded, loses connections, or changes what is read. */
@Tag("cluster")
@Timeout(120)
class S3ReadsTest {
    private static final String FILE = "s3a://reads/folder/a b.bin";
    private static final int LENGTH = 20_000_003;

    @TempDir
    static Path folder;

    private static S3Server server;
    private static FaultProxy proxy;
    private static Storage storage;
    private static byte[] bytes;

    @BeforeAll
    static void start() throws Exception {
        server = S3Server.start(folder);
        server.createBucket("reads");
        proxy = FaultProxy.start(server.endpoint(), request -> Fault.NONE);
        Map<String, String> settings = new HashMap<>(S3Server.hadoopSettings(proxy.endpoint()));
        settings.put("fs.s3a.retry.limit", "1");
        settings.put("fs.s3a.retry.throttle.limit", "1");
        settings.put("fs.s3a.retry.throttle.interval", "10ms");
        settings.put("fs.s3a.retry.interval", "10ms");
        settings.put("fs.s3a.attempts.maximum", "0");
        settings.put("spark-gguf.retry.first-wait.ms", "5");
        storage = new HadoopStorage(settings);
        bytes = new byte[LENGTH];
        new Random(17).nextBytes(bytes);
    }

    @AfterAll
    static void stop() throws IOException {
        if (proxy != null) {
            proxy.close();
        }
        if (server != null) {
            server.close();
        }
    }

    @BeforeEach
    void put() throws IOException {
        proxy.choose(request -> Fault.NONE);
        write(FILE, bytes);
        proxy.forget();
    }

    private static void write(String file, byte[] content) throws IOException {
        try (OutputStream out = storage.create(file)) {
            out.write(content);
        }
    }

    private static byte[] read(RangeReader reader, int offset, int count) throws IOException {
        byte[] into = new byte[count];
        reader.readFully(offset, into, 0, count);
        return into;
    }

    private static byte[] expected(int offset, int count) {
        return Arrays.copyOfRange(bytes, offset, offset + count);
    }

    @Test
    void everyFaultPasses() throws IOException {
        for (Fault fault : Fault.values()) {
            long before = Retries.count();
            proxy.forget();
            proxy.choose(request -> request.attempt() < 3 ? fault : Fault.NONE);
            try (RangeReader reader = storage.open(FILE)) {
                assertArrayEquals(expected(1_000_001, 3_000_000), read(reader, 1_000_001, 3_000_000), fault.name());
                assertArrayEquals(expected(LENGTH - 7, 7), read(reader, LENGTH - 7, 7), fault.name());
            }
            assertTrue(proxy.count(fault) > 0, fault.name());
            assertEquals(
                    fault == Fault.NONE || fault == Fault.DELAY,
                    Retries.count() == before,
                    fault + ": retries are counted");
        }
    }

    @Test
    void aStoreThatStaysAwayEndsInOneLine() {
        proxy.choose(request -> Fault.SLOW_DOWN);
        String message =
                assertThrows(IOException.class, () -> storage.open(FILE)).getMessage();
        assertTrue(message.startsWith("Cannot read " + FILE + ": "), message);
        assertTrue(message.endsWith(" (tried 5 times)"), message);
        assertTrue(message.contains("503"), message);
        assertEquals(1, message.lines().count(), message);
    }

    @Test
    void whatIsNotThereIsNotAskedForAgain() throws IOException {
        long before = Retries.count();
        assertEquals(
                "Cannot read s3a://reads/none: no such file",
                assertThrows(IOException.class, () -> storage.open("s3a://reads/none"))
                        .getMessage());
        assertEquals(before, Retries.count());
    }

    @Test
    void opensWithOneLook() throws IOException {
        try (RangeReader reader = storage.open(FILE)) {
            read(reader, 5, 10);
        }
        assertEquals(
                List.of("HEAD", "GET"),
                proxy.requests().stream().map(FaultProxy.Request::method).toList());
    }

    @Test
    void rangesAreReadTogether() throws IOException {
        List<ReadRange> ranges = new ArrayList<>();
        Random random = new Random(5);
        for (int i = 0; i < 40; i++) { // two clusters of neighbours, far from each other
            int at = (i < 20 ? 1_000_000 : 15_000_000) + (i % 20) * 50_000 + random.nextInt(1000);
            ranges.add(new ReadRange(at, new byte[20_007], 7, 20_000));
        }
        java.util.Collections.shuffle(ranges, random);
        proxy.choose(FaultProxy.seeded(3, 0.5, 2));
        try (RangeReader reader = storage.open(FILE)) {
            proxy.choose(request -> Fault.NONE);
            proxy.forget();
            reader.readRanges(ranges);
            assertTrue(proxy.requests().size() <= 2, proxy.requests().toString());
            for (ReadRange range : ranges) {
                assertArrayEquals(expected((int) range.offset(), 20_000), Arrays.copyOfRange(range.into(), 7, 20_007));
                Arrays.fill(range.into(), (byte) 0);
            }
            proxy.forget();
            proxy.choose(request -> request.attempt() < 2 ? Fault.CUT : Fault.NONE);
            reader.readRanges(ranges);
            for (ReadRange range : ranges) {
                assertArrayEquals(expected((int) range.offset(), 20_000), Arrays.copyOfRange(range.into(), 7, 20_007));
            }
        }
    }

    @Test
    void noticesAnotherContentOfTheSameLength() throws IOException {
        FileStatus seen = storage.status(FILE);
        assertNotNull(seen.etag(), "S3 names contents");
        assertTrue(
                seen.isSameContent(storage.list("s3a://reads/folder").get(0)), "a listing names them in the same way");
        Storage pinned = PinnedStorage.of(storage, List.of(seen.named(FILE)));
        try (RangeReader reader = pinned.open(FILE)) {
            read(reader, 0, 100);
            byte[] other = bytes.clone();
            other[LENGTH / 2]++;
            write(FILE, other);
            String changed = "Cannot use " + FILE + ": it was changed while the run was reading it";
            String found = assertThrows(InvalidInputException.class, () -> read(reader, 10_000_000, 100))
                    .getMessage();
            assertTrue(found.startsWith(changed), found);
            String again = assertThrows(InvalidInputException.class, () -> pinned.open(FILE))
                    .getMessage();
            assertTrue(again.startsWith(changed + " (its ETag was "), again);
        }
        storage.delete(FILE);
        assertEquals(
                "Cannot use " + FILE + ": it was removed while the run was reading it",
                assertThrows(InvalidInputException.class, () -> pinned.open(FILE))
                        .getMessage());
    }
}
