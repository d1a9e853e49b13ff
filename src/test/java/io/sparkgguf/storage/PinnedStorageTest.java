package io.sparkgguf.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PinnedStorageTest {
    private final Storage local = new LocalStorage();

    @TempDir
    Path folder;

    private Path file;
    private PinnedStorage pinned;

    @BeforeEach
    void pin() throws IOException {
        file = Files.write(folder.resolve("shard.safetensors"), new byte[] {1, 2, 3});
        Files.setLastModifiedTime(file, FileTime.fromMillis(1_700_000_000_000L));
        pinned = PinnedStorage.of(local, List.of(local.status(file.toString())));
    }

    private String refusal() {
        String opened = assertThrows(InvalidInputException.class, () -> pinned.open(file.toString()))
                .getMessage();
        assertEquals(
                opened,
                assertThrows(InvalidInputException.class, pinned::requireUnchanged)
                        .getMessage());
        return opened;
    }

    private String changed(String how) {
        return "Cannot use " + file + ": it was changed while the run was reading it (" + how + ")";
    }

    @Test
    void opensWhatIsStillTheSame() throws IOException {
        try (RangeReader reader = pinned.open(file.toString())) {
            assertEquals(3, reader.length());
        }
        pinned.requireUnchanged();
        Path other = Files.write(folder.resolve("part"), new byte[4]);
        pinned.open(other.toString()).close();
        Files.write(other, new byte[5]);
        pinned.open(other.toString()).close(); // not held to anything
    }

    @Test
    void refusesAnotherLength() throws IOException {
        Files.write(file, new byte[4]);
        assertEquals(changed("it had 3 bytes and has 4"), refusal());
    }

    @Test
    void refusesAnotherTime() throws IOException {
        Files.setLastModifiedTime(file, FileTime.fromMillis(1_700_000_000_001L));
        assertEquals(changed("it was written again"), refusal());
    }

    @Test
    void refusesWhatIsGone() throws IOException {
        Files.delete(file);
        assertEquals("Cannot use " + file + ": it was removed while the run was reading it", refusal());
    }

    @Test
    void holdsFilesToWhatTheyWereAtFirstSight() throws IOException {
        pinned = PinnedStorage.atFirstSight(local);
        assertTrue(pinned.pinned().isEmpty());
        pinned.open(file.toString()).close();
        assertEquals(local.status(file.toString()), pinned.pinned().get(file.toString()));
        Files.write(file, new byte[4]);
        assertEquals(changed("it had 3 bytes and has 4"), refusal());
    }

    @Test
    void staysPinnedUnderMore() throws IOException {
        Path other = Files.write(folder.resolve("b"), new byte[4]);
        pinned = PinnedStorage.of(pinned, List.of(local.status(other.toString())));
        assertEquals(2, pinned.pinned().size());
        Files.write(file, new byte[4]);
        assertEquals(changed("it had 3 bytes and has 4"), refusal());
    }

    @Test
    void contentsAreToldApartByEtagsWhereThereAreSome() {
        FileStatus a = new FileStatus("f", false, 3, 1000, "\"x\"");
        assertTrue(a.isSameContent(new FileStatus("g", false, 3, 1999, "\"x\"")), "times have another precision");
        assertFalse(a.isSameContent(new FileStatus("f", false, 3, 1000, "\"y\"")));
        assertFalse(a.isSameContent(new FileStatus("f", false, 4, 1000, "\"x\"")));
        assertTrue(a.isSameContent(new FileStatus("f", false, 3, 1000)));
        assertFalse(a.isSameContent(new FileStatus("f", false, 3, 1001)));
        assertEquals(
                "Cannot use f: it was changed while the run was reading it (its ETag was \"x\" and is \"y\")",
                assertThrows(
                                InvalidInputException.class,
                                () -> a.requireSame(new FileStatus("f", false, 3, 1000, "\"y\"")))
                        .getMessage());
    }

    /** A default method that is not passed on would lose what the storage below can do. */
    @Test
    void passesEverythingOn() {
        for (Method method : Storage.class.getDeclaredMethods()) {
            if (!Modifier.isStatic(method.getModifiers()) && !method.isSynthetic()) {
                assertTrue(
                        Arrays.stream(PinnedStorage.class.getDeclaredMethods())
                                .anyMatch(own -> own.getName().equals(method.getName())
                                        && Arrays.equals(own.getParameterTypes(), method.getParameterTypes())),
                        method.toString());
            }
        }
    }
}
