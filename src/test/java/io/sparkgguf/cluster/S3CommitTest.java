package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.hadoop.HadoopStorage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How an object comes together on S3: parts of one upload, which is completed to publish it. */
@Tag("cluster")
class S3CommitTest {
    private static final long SEED = 20261123;
    private static final String BUCKET = "commits"; // Hadoop keeps clients by bucket, whatever their endpoint;
    private static final String FOLDER = "s3a://" + BUCKET + "/out";
    private static final String TARGET = FOLDER + "/model.gguf";

    @TempDir
    private static Path local;

    private static S3Server server;
    private static Storage storage;
    private final byte[] bytes = new byte[12_000_000];
    private final CutBytes cut = new CutBytes(bytes, 5 << 20);

    @BeforeAll
    static void start() throws Exception {
        server = S3Server.start(local);
        server.createBucket(BUCKET);
        storage = new HadoopStorage(S3Server.hadoopSettings(server.endpoint()));
    }

    @AfterAll
    static void end() {
        if (server != null) {
            server.close();
        }
    }

    @BeforeEach
    void fill() throws IOException {
        new Random(SEED).nextBytes(bytes);
        storage.delete(FOLDER);
    }

    private FileCommit begun(String earlier, boolean found) throws IOException {
        FileCommit commit = storage.commit(TARGET, bytes.length);
        assertEquals(found, commit.begin(earlier));
        return commit;
    }

    private static List<String> open() throws IOException, InterruptedException {
        return server.openUploads(BUCKET);
    }

    @Test
    void anOlderObjectStaysUntilTheNewOneIsPublished() throws Exception {
        try (OutputStream old = storage.create(TARGET)) {
            old.write(1);
        }
        FileCommit commit = begun(null, false);
        assertEquals(List.of("out/model.gguf"), open());
        assertEquals(List.of(), commit.seal(cut.putAll(commit)));
        assertEquals(Optional.empty(), commit.readable());
        assertArrayEquals(new byte[] {1}, CutBytes.read(storage, TARGET));
        commit.publish();
        assertArrayEquals(bytes, CutBytes.read(storage, TARGET));
        commit.abort();
        assertEquals(List.of(), open());
        assertEquals(List.of("out/model.gguf"), server.keys(BUCKET));
    }

    @Test
    void abortLeavesNothing() throws Exception {
        FileCommit commit = begun(null, false);
        String handle = commit.handle();
        cut.put(commit, 1);
        commit.abort();
        assertEquals(List.of(), open());
        assertEquals(List.of(), server.keys(BUCKET));
        begun(handle, false).abort();
    }

    @Test
    void aLaterRunGoesOnWithThePartsThatWerePut() throws Exception {
        FileCommit commit = begun(null, false);
        List<String> receipts = cut.putAll(commit);
        String handle = commit.handle();
        commit.leave();
        FileCommit later = begun(handle, true);
        receipts.set(2, cut.put(later, 2));
        later.seal(receipts);
        later.publish();
        assertArrayEquals(bytes, CutBytes.read(storage, TARGET));

        FileCommit anew = begun(handle, false);
        assertFalse(handle.equals(anew.handle()));
        anew.abort();
        assertEquals(List.of(), open());
    }

    @Test
    void whatAKilledRunLeftIsRemoved() throws Exception {
        FileCommit killed = begun(null, false);
        cut.put(killed, 0);
        assertEquals(List.of("an open upload of " + TARGET), storage.discardUnfinished(TARGET, killed.handle()));
        assertEquals(List.of(), storage.discardUnfinished(TARGET, killed.handle()));
        cut.put(begun(null, false), 0);
        begun(null, false);
        FileCommit other = storage.commit(TARGET + "2", 1);
        other.begin(null);
        assertEquals(2, storage.discardUnfinished(TARGET, null).size());
        assertEquals(List.of("out/model.gguf2"), open());
        other.abort();
        assertEquals(List.of(), open());
    }

    @Test
    void anObjectThatCameOutOtherwiseIsNotPublishedSilently() throws Exception {
        FileCommit commit = begun(null, false);
        commit.seal(List.of(cut.put(commit, 0), cut.put(commit, 1)));
        IOException failure = assertThrows(IOException.class, commit::publish);
        assertEquals(
                "Cannot publish " + TARGET + ": it has " + 2 * cut.range() + " bytes, planned are " + bytes.length,
                failure.getMessage());
    }

    @Test
    void aBucketThatIsNotThereIsFoundBeforeTheWorkIsDone() {
        IOException failure = assertThrows(
                IOException.class,
                () -> storage.commit("s3a://nowhere/x.gguf", 1).begin(null));
        assertTrue(
                failure.getMessage().matches("Cannot (write|look at) s3a://nowhere/x.gguf: .*"), failure.getMessage());
    }
}
