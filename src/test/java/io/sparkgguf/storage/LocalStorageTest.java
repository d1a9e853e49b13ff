package io.sparkgguf.storage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LocalStorageTest {
    private final Storage storage = new LocalStorage();

    @TempDir
    Path folder;

    private String name(String child) {
        return folder.resolve(child).toString();
    }

    private static byte[] bytes(int seed, int count) {
        byte[] bytes = new byte[count];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private void write(String file, byte[] bytes) throws IOException {
        try (OutputStream out = storage.create(file)) {
            out.write(bytes);
        }
    }

    @Test
    void readsRangesFromManyThreads() throws IOException {
        byte[] bytes = bytes(3, 5_000_000);
        write(name("a.bin"), bytes);
        try (RangeReader reader = storage.open(name("a.bin"))) {
            assertEquals(bytes.length, reader.length());
            assertEquals(name("a.bin"), reader.file());
            IntStream.range(0, 16).parallel().forEach(i -> {
                int offset = i * 200_000;
                byte[] part = new byte[1_500_000 + 7];
                try {
                    reader.readFully(offset, part, 7, 1_500_000);
                } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
                for (int b = 0; b < 1_500_000; b++) {
                    if (part[7 + b] != bytes[offset + b]) {
                        throw new AssertionError("byte " + b + " of range " + i);
                    }
                }
            });
        }
    }

    @Test
    void saysWhatAReadBeyondTheEndWanted() throws IOException {
        write(name("a.bin"), new byte[8]);
        try (RangeReader reader = storage.open(name("a.bin"))) {
            assertEquals(
                    "Cannot read 4 bytes from byte 5 of " + name("a.bin") + ": the file has 8 bytes",
                    assertThrows(EOFException.class, () -> reader.readFully(5, new byte[4], 0, 4))
                            .getMessage());
            assertThrows(EOFException.class, () -> reader.readFully(Long.MAX_VALUE, new byte[4], 0, 4));
            assertThrows(EOFException.class, () -> reader.readFully(-1, new byte[4], 0, 4));
            assertThrows(IndexOutOfBoundsException.class, () -> reader.readFully(0, new byte[4], 2, 4));
        }
    }

    @Test
    void noticesAFileThatShrinksWhileItIsOpen() throws IOException {
        write(name("a.bin"), new byte[100]);
        try (RangeReader reader = storage.open(name("a.bin"));
                RangeWriter writer = storage.openForWriting(name("a.bin")).orElseThrow()) {
            writer.setLength(10);
            assertEquals(
                    "Cannot read 20 bytes from byte 5 of " + name("a.bin")
                            + ": the file had 100 bytes when it was opened and now ends at byte 10",
                    assertThrows(EOFException.class, () -> reader.readFully(5, new byte[20], 0, 20))
                            .getMessage());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"read", "look at", "list", "rename"})
    void namesAMissingFile(String action) {
        String missing = name("missing");
        IOException e = assertThrows(FileNotFoundException.class, () -> {
            switch (action) {
                case "read" -> storage.open(missing);
                case "look at" -> storage.status(missing);
                case "list" -> storage.list(missing);
                default -> storage.rename(missing, name("b"));
            }
        });
        String thing = action.equals("rename") ? missing + " to " + name("b") : missing;
        assertEquals("Cannot " + action + " " + thing + ": no such file", e.getMessage());
    }

    @Test
    void doesNotMakeFoldersByTheWay() {
        for (String action : List.of("stream", "ranges")) {
            IOException e = assertThrows(FileNotFoundException.class, () -> {
                if (action.equals("stream")) {
                    storage.create(name("no/file"));
                } else {
                    storage.openForWriting(name("no/file"));
                }
            });
            assertEquals("Cannot write " + name("no/file") + ": its folder does not exist", e.getMessage());
        }
    }

    @Test
    void refusesWhatIsNoFile() throws IOException {
        storage.createFolder(name("sub"));
        write(name("file"), new byte[1]);
        assertEquals(
                "Cannot read " + name("sub") + ": it is a folder",
                assertThrows(IOException.class, () -> storage.open(name("sub"))).getMessage());
        assertEquals(
                "Cannot write " + name("sub") + ": a folder has that name",
                assertThrows(IOException.class, () -> storage.create(name("sub")))
                        .getMessage());
        assertEquals(
                "Cannot rename " + name("file") + " to " + name("sub") + ": a folder has that name",
                assertThrows(IOException.class, () -> storage.rename(name("file"), name("sub")))
                        .getMessage());
        assertEquals(
                "Cannot list " + name("file") + ": it is not a folder",
                assertThrows(IOException.class, () -> storage.list(name("file")))
                        .getMessage());
        assertEquals(
                "Cannot create folder " + name("file") + ": " + name("file") + " is a file",
                assertThrows(IOException.class, () -> storage.createFolder(name("file")))
                        .getMessage());
    }

    @Test
    void leavesDevicesAlone() {
        assumeTrue(Files.exists(Path.of("/dev/null")), "no /dev/null here");
        for (String action : List.of("write", "rename")) {
            IOException e = assertThrows(IOException.class, () -> {
                if (action.equals("write")) {
                    storage.create("/dev/null");
                } else {
                    write(name("file"), new byte[1]);
                    storage.rename(name("file"), "/dev/null");
                }
            });
            assertTrue(e.getMessage().endsWith("/dev/null: a device or pipe has that name"), e.getMessage());
        }
        assertEquals(
                "Cannot read /dev/null: it is not a regular file",
                assertThrows(IOException.class, () -> storage.open("/dev/null")).getMessage());
    }

    @Test
    void tellsAFullDisk() throws IOException {
        assumeTrue(Files.isWritable(Path.of("/dev/full")), "no /dev/full here");
        RangeWriter writer = storage.openForWriting("/dev/full").orElseThrow();
        assertEquals(
                "Cannot write /dev/full: no space left on device",
                assertThrows(IOException.class, () -> writer.write(0, new byte[10], 0, 10))
                        .getMessage());
    }

    @Test
    void tellsMissingPermission() throws IOException {
        write(name("secret"), new byte[1]);
        Files.setPosixFilePermissions(folder.resolve("secret"), PosixFilePermissions.fromString("---------"));
        assumeFalse(Files.isReadable(folder.resolve("secret")), "this user may read everything");
        assertEquals(
                "Cannot read " + name("secret") + ": no permission",
                assertThrows(IOException.class, () -> storage.open(name("secret")))
                        .getMessage());
    }

    @Test
    void explainsTheSystemsFailuresInOneLine() {
        assertEquals(
                "Cannot write x: no permission",
                Explained.failure("write", "x", new AccessDeniedException("/x")).getMessage());
        assertEquals(
                "Cannot rename x to y: not on the same file system",
                Explained.failure("rename", "x to y", new AtomicMoveNotSupportedException("x", "y", "Invalid"))
                        .getMessage());
        assertEquals(
                "Cannot write x: read-only file system",
                Explained.failure("write", "x", new FileSystemException("/x", null, "Read-only file system"))
                        .getMessage());
        assertEquals(
                "Cannot read x: RPC failed",
                Explained.failure("read", "x", new IOException("RPC failed\n  at server"))
                        .getMessage());
        assertEquals(
                "Cannot read x: EOFException",
                Explained.failure("read", "x", new EOFException()).getMessage());
    }

    @Test
    void makesFoldersForTheirOwnerAloneAndFilesAsTheMaskSays() throws IOException {
        Path usual = Files.createFile(folder.resolve("usual"));
        storage.createFolder(name("a/b"));
        storage.createFolder(name("a/b"));
        write(name("a/b/stream"), new byte[1]);
        assertTrue(storage.commit(name("a/b/ranges"), 10).writable().isPresent());
        storage.commit(name("a/b/ranges"), 10).begin(null);
        for (String made : List.of("a", "a/b")) {
            assertEquals(
                    "rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.resolve(made))));
        }
        for (String made : List.of("a/b/stream", "a/b/ranges.unfinished")) {
            assertEquals(Files.getPosixFilePermissions(usual), Files.getPosixFilePermissions(folder.resolve(made)));
        }
    }

    @Test
    void writesRangesOfAFileThatSeveralHaveOpen() throws IOException {
        long far = 5L << 30;
        byte[] first = bytes(1, 2_500_000);
        byte[] second = bytes(2, 1_000);
        storage.create(name("big")).close();
        try (RangeWriter a = storage.openForWriting(name("big")).orElseThrow()) {
            a.setLength(far + 2_000);
            try (RangeWriter b = storage.openForWriting(name("big")).orElseThrow()) {
                b.write(far, second, 100, 900);
                a.write(1_000, first, 0, first.length);
            }
        }
        try (RangeReader reader = storage.open(name("big"))) {
            assertEquals(far + 2_000, reader.length());
            byte[] read = new byte[first.length];
            reader.readFully(1_000, read, 0, read.length);
            assertArrayEquals(first, read);
            read = new byte[900];
            reader.readFully(far, read, 0, 900);
            assertArrayEquals(java.util.Arrays.copyOfRange(second, 100, 1_000), read);
            reader.readFully(0, read, 0, 900);
            assertArrayEquals(new byte[900], read, "zeros where nothing was written");
        }
        try (RangeWriter writer = storage.openForWriting(name("big")).orElseThrow()) {
            writer.setLength(17);
        }
        assertEquals(17, storage.status(name("big")).length());
    }

    @Test
    void writesRangesOfFilesThatAreThere() throws IOException {
        assertEquals(
                "Cannot write " + name("none") + ": no such file",
                assertThrows(FileNotFoundException.class, () -> storage.openForWriting(name("none")))
                        .getMessage());
        write(name("precious"), new byte[9]);
        Files.createSymbolicLink(folder.resolve("link"), folder.resolve("precious"));
        String reason = assertThrows(IOException.class, () -> storage.openForWriting(name("link")))
                .getMessage();
        assertTrue(reason.startsWith("Cannot write " + name("link") + ": "), reason);
    }

    /** A run that goes on from an earlier one finds what that one wrote, and no other run does. */
    @Test
    void goesOnWithWhatWasWrittenInPlace() throws IOException {
        FileCommit first = storage.commit(name("file"), 1000);
        assertFalse(first.begin(null));
        String unfinished = first.writable().orElseThrow();
        try (RangeWriter writer = storage.openForWriting(unfinished).orElseThrow()) {
            writer.write(10, new byte[] {1, 2, 3}, 0, 3);
        }
        first.leave();
        try (RangeWriter writer = storage.openForWriting(unfinished).orElseThrow()) {
            writer.setLength(500);
        }
        FileCommit second = storage.commit(name("file"), 1000);
        assertTrue(second.begin(first.handle()));
        assertEquals(1000, storage.status(unfinished).length());
        assertEquals(2, Files.readAllBytes(Path.of(unfinished))[11]);
        second.leave();
        assertFalse(storage.exists(unfinished), "nobody was to write in place");
        assertFalse(storage.commit(name("file"), 1000).begin(first.handle()), "it is gone");
        assertFalse(storage.commit(name("file"), 1000).begin(null));
        assertArrayEquals(new byte[1000], Files.readAllBytes(Path.of(unfinished)));
    }

    @Test
    void replacesFilesWithoutTouchingWhoReadsThem() throws IOException {
        write(name("a"), "old".getBytes(StandardCharsets.UTF_8));
        try (RangeReader old = storage.open(name("a"))) {
            write(name("a"), "newer".getBytes(StandardCharsets.UTF_8));
            byte[] read = new byte[3];
            old.readFully(0, read, 0, 3);
            assertEquals("old", new String(read, StandardCharsets.UTF_8));
        }
        assertEquals("newer", Files.readString(folder.resolve("a")));
        write(name("b"), "b".getBytes(StandardCharsets.UTF_8));
        storage.rename(name("b"), name("a"));
        assertEquals("b", Files.readString(folder.resolve("a")));
        assertFalse(storage.exists(name("b")));
    }

    @Test
    void listsInOrderOfName() throws IOException {
        write(name("b"), new byte[2]);
        write(name("a c"), new byte[1]);
        storage.createFolder(name("a"));
        Files.createSymbolicLink(folder.resolve("dangling"), folder.resolve("nothing"));
        List<Storage.FileStatus> entries = storage.list(folder.toString());
        assertEquals(
                List.of("a", "a c", "b"),
                entries.stream().map(Storage.FileStatus::fileName).toList());
        assertEquals(
                List.of(true, false, false),
                entries.stream().map(Storage.FileStatus::folder).toList());
        assertEquals(
                List.of(0L, 1L, 2L),
                entries.stream().map(Storage.FileStatus::length).toList());
        assertEquals(name("a c"), entries.get(1).file());
        assertEquals(
                Files.getLastModifiedTime(folder.resolve("b")).toMillis(),
                entries.get(2).modified());
    }

    @Test
    void deletesFoldersButNotWhatLinksPointTo() throws IOException {
        storage.createFolder(name("keep"));
        write(name("keep/file"), new byte[1]);
        storage.createFolder(name("gone/deep"));
        write(name("gone/deep/file"), new byte[1]);
        Files.createSymbolicLink(folder.resolve("gone/link"), folder.resolve("keep"));
        storage.delete(name("gone"));
        storage.delete(name("gone"));
        assertFalse(storage.exists(name("gone")));
        assertTrue(storage.exists(name("keep/file")));
    }

    @Test
    void understandsFileUris() throws IOException {
        write(name("a b.bin"), new byte[] {1, 2, 3});
        for (String uri : List.of(
                folder.resolve("a b.bin").toUri().toString(),
                "file:" + name("a%20b.bin"),
                "file://localhost" + name("a%20b.bin"))) {
            assertEquals(3, storage.status(uri).length(), uri);
            assertEquals(name("a b.bin"), storage.status(uri).file(), "a plain path comes back");
        }
        assertEquals(name("a b.bin"), storage.resolve(folder.toUri().toString(), "a b.bin"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''|Cannot use a file without a name",
                "file://models/a|Cannot use file://models/a as a file: after file:// stands the machine, models; write file:/path or a plain path",
                "file:/a?b|Cannot use file:/a?b as a file: a file: URI has a path and nothing else",
                "file:/a b|Cannot use file:/a b as a file: Illegal character in path at index 7: file:/a b",
            })
    void refusesNamesThatAreNone(String file, String message) {
        assertEquals(
                message,
                assertThrows(InvalidInputException.class, () -> storage.open(file))
                        .getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "..", "../x", "a/../../x", "/etc/passwd", "a\\..\\x", "file:/x", "s3a://b/x"})
    void resolvesNothingOutsideTheFolder(String child) {
        assertEquals(
                "Cannot use '" + child + "' as a name in folder /models: it lies outside",
                assertThrows(InvalidInputException.class, () -> storage.resolve("/models", child))
                        .getMessage());
    }

    @ParameterizedTest
    @CsvSource({
        "/a/b, ''",
        "a/b, ''",
        "model:v2.gguf, ''",
        "C:/a, ''",
        "hdfs://h/a, hdfs",
        "S3A://b/a, s3a",
        "file:/a, file"
    })
    void tellsUrisFromPaths(String file, String scheme) {
        assertEquals(scheme, Names.scheme(file));
    }

    @Test
    void knowsNamesThatNoFileCanHave() throws IOException {
        write(name("file"), new byte[1]);
        Files.createSymbolicLink(folder.resolve("link"), folder.resolve("file"));
        Files.createSymbolicLink(folder.resolve("dangling"), folder.resolve("gone"));
        for (String fine : List.of("file", "new", "link", "dangling")) {
            storage.requireFileName(name(fine));
        }
        storage.requireFileName("new-in-the-current-folder");
        refused(folder.toString(), "it is a folder");
        refused(folder + "/", "it is a folder");
        refused(name("new") + "/", "that is the name of a folder");
        refused(name("gone/new"), "folder " + folder + "/gone does not exist");
        refused(name("file/new"), folder + "/file is no folder");
        refused("/dev/null", "it is a device or pipe");
    }

    private void refused(String name, String reason) {
        assertEquals(
                "Cannot write " + name + ": " + reason,
                assertThrows(InvalidInputException.class, () -> storage.requireFileName(name))
                        .getMessage());
    }

    @Test
    void makesAFileOnlyWhereThereIsNone() throws IOException {
        String file = name("claimed");
        assertTrue(storage.createNew(file, new byte[] {1, 2}));
        assertFalse(storage.createNew(file, new byte[] {3}));
        storage.createFolder(name("folder"));
        assertFalse(storage.createNew(name("folder"), new byte[] {3}));
        assertArrayEquals(new byte[] {1, 2}, Files.readAllBytes(Path.of(file)));
        assertEquals(
                Set.of("claimed", "folder"),
                Set.copyOf(Arrays.asList(folder.toFile().list())));
        assertThrows(FileNotFoundException.class, () -> storage.createNew(name("no/claimed"), new byte[1]));
    }

    @Test
    void removesAFolderOnlyWhenItIsEmpty() throws IOException {
        assertTrue(storage.deleteEmptyFolder(name("none")));
        storage.createFolder(name("folder"));
        write(name("folder/file"), new byte[1]);
        assertFalse(storage.deleteEmptyFolder(name("folder")));
        storage.delete(name("folder/file"));
        assertTrue(storage.deleteEmptyFolder(name("folder")));
        assertFalse(storage.exists(name("folder")));
    }

    @Test
    void notesWholeFilesThatAThreadWrites() throws IOException {
        List<WholeFile.Written> outer = new ArrayList<>();
        List<WholeFile.Written> inner = new ArrayList<>();
        byte[] content = bytes(5, 100_000);
        WholeFile.noting(outer, () -> {
            WholeFile.write(storage, name("a"), out -> {
                out.write(content[0]);
                out.write(content, 1, content.length - 1);
            });
            WholeFile.noting(inner, () -> {
                WholeFile.write(storage, name("b"), out -> {});
                return null;
            });
            assertThrows(
                    IOException.class,
                    () -> WholeFile.write(storage, name("c"), out -> {
                        throw new IOException("on purpose");
                    }));
            return null;
        });
        WholeFile.write(storage, name("d"), out -> {});
        long digest = Digest.of(content, 0, content.length);
        assertEquals(List.of(new WholeFile.Written(name("a"), content.length, digest)), outer);
        assertEquals(List.of(new WholeFile.Written(name("b"), 0, Digest.of(content, 0, 0))), inner);
    }

    @Test
    void scratchFilesAreTheSameFiles(@TempDir Path folder) throws IOException {
        Storage storage = new LocalStorage();
        Storage scratch = storage.scratch();
        String file = storage.resolve(folder.toString(), "part");
        WholeFile.write(scratch, file, out -> out.write(new byte[] {1, 2, 3}));
        assertArrayEquals(new byte[] {1, 2, 3}, Files.readAllBytes(Path.of(file)));
        try (RangeWriter writer = scratch.openForWriting(file).orElseThrow()) {
            writer.write(1, new byte[] {9}, 0, 1);
        }
        byte[] read = new byte[3];
        try (RangeReader reader = storage.open(file)) {
            reader.readFully(0, read, 0, 3);
        }
        assertArrayEquals(new byte[] {1, 9, 3}, read);
        Storage.FileStatus seen = storage.status(file);
        Storage pinned = PinnedStorage.of(storage, List.of(seen)).scratch();
        WholeFile.write(pinned, file, out -> out.write(new byte[4]));
        assertEquals(
                "Cannot use " + file + ": it was changed while the run was reading it (it had 3 bytes and has 4)",
                assertThrows(InvalidInputException.class, () -> pinned.open(file))
                        .getMessage(),
                "what is pinned stays so");
    }
}
