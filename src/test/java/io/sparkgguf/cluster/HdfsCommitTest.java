package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.hadoop.HadoopStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How a file comes together on HDFS: parts that are files, joined, renamed. */
@Tag("cluster")
class HdfsCommitTest {
    private static final long SEED = 20261123;
    private static final int RANGE = 3 << 20;

    @TempDir
    private static Path local;

    private static MiniHdfs hdfs;
    private final Storage storage = new HadoopStorage(Map.of());
    private final byte[] bytes = new byte[10_000_000];
    private final CutBytes cut = new CutBytes(bytes, RANGE);
    private String folder;
    private String target;

    @BeforeAll
    static void start() throws IOException {
        hdfs = MiniHdfs.start(local, 3);
    }

    @AfterAll
    static void end() {
        hdfs.close();
    }

    @BeforeEach
    void newFolder() throws IOException {
        new Random(SEED).nextBytes(bytes);
        folder = hdfs.uri() + "/out-" + System.nanoTime();
        target = folder + "/model.q4.gguf";
        storage.createFolder(folder);
    }

    private List<String> names() throws IOException {
        return storage.list(folder).stream().map(Storage.FileStatus::fileName).toList();
    }

    private FileCommit begun(String earlier, boolean found) throws IOException {
        FileCommit commit = storage.commit(target, bytes.length);
        assertEquals(found, commit.begin(earlier));
        return commit;
    }

    @Test
    void nothingHasTheNameBeforeItIsPublished() throws IOException {
        try (OutputStream old = storage.create(target)) {
            old.write(1);
        }
        FileCommit commit = begun(null, false);
        List<String> receipts = cut.putAll(commit);
        assertEquals(List.of(), commit.seal(receipts));
        assertArrayEquals(bytes, CutBytes.read(storage, commit.readable().orElseThrow()));
        assertArrayEquals(new byte[] {1}, CutBytes.read(storage, target));
        commit.publish();
        assertArrayEquals(bytes, CutBytes.read(storage, target));
        commit.abort();
        assertEquals(List.of("model.q4.gguf"), names());
    }

    @Test
    void abortLeavesNothing() throws IOException {
        FileCommit commit = begun(null, false);
        cut.put(commit, 1);
        assertEquals(List.of("model.q4.gguf.unfinished"), names());
        commit.abort();
        assertEquals(List.of(), names());
        commit = begun(null, false);
        commit.seal(cut.putAll(commit));
        commit.abort();
        assertEquals(List.of(), names());
    }

    @Test
    void aLaterRunGoesOnWithThePartsThatAreThere() throws IOException {
        FileCommit commit = begun(null, false);
        List<String> receipts = cut.putAll(commit);
        receipts.set(2, null);
        FileCommit later = begun(commit.handle(), true);
        receipts.set(2, cut.put(later, 2));
        assertEquals(List.of(), later.seal(receipts));
        later.publish();
        assertArrayEquals(bytes, CutBytes.read(storage, target));

        begun(commit.handle(), false).abort();
        String elsewhere = Base64.getEncoder().encodeToString((hdfs.uri() + "/").getBytes());
        begun(elsewhere, false).abort();
        assertTrue(storage.exists(folder));
    }

    @Test
    void partsThatAreGoneAreToldAndPutAgain() throws IOException {
        FileCommit commit = begun(null, false);
        List<String> receipts = cut.putAll(commit);
        storage.delete(part(receipts.get(1)));
        try (OutputStream shorter = storage.create(part(receipts.get(3)))) {
            shorter.write(0);
        }
        assertEquals(List.of(1, 3), commit.seal(receipts));
        receipts.set(1, cut.put(commit, 1));
        receipts.set(3, cut.put(commit, 3));
        assertEquals(List.of(), commit.seal(receipts));
        commit.publish();
        assertArrayEquals(bytes, CutBytes.read(storage, target));
    }

    private static String part(String receipt) {
        return new String(Base64.getDecoder().decode(receipt.split(" ")[2]));
    }

    @Test
    void whatAKilledRunLeftIsRemoved() throws IOException {
        cut.put(begun(null, false), 0);
        assertEquals(List.of(target + ".unfinished"), storage.discardUnfinished(target, null));
        assertEquals(List.of(), storage.discardUnfinished(target, null));
        assertEquals(List.of(), names());
    }

    @Test
    void somebodyElsesFolderIsNotTouched() throws IOException {
        storage.createFolder(target + ".unfinished/precious");
        String reason = "Cannot write " + target + ".unfinished: it is a folder";
        FileCommit commit = storage.commit(target, 1);
        assertEquals(
                reason,
                assertThrows(InvalidInputException.class, () -> commit.begin(null))
                        .getMessage());
        commit.abort();
        assertThrows(InvalidInputException.class, () -> storage.discardUnfinished(target, null));
        assertTrue(storage.exists(target + ".unfinished/precious"));
        storage.delete(target + ".unfinished");
        storage.createFolder(target);
        assertEquals(
                "Cannot write " + target + ": it is a folder",
                assertThrows(InvalidInputException.class, () -> commit.begin(null))
                        .getMessage());
        assertFalse(commit.readable().isEmpty());
    }
}
