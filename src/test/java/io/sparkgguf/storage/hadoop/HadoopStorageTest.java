package io.sparkgguf.storage.hadoop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs over viewfs, the one file system of Hadoop that is neither local by name nor needs a server. */
class HadoopStorageTest {

    @TempDir
    Path folder;

    private String mountTable;
    private String root;
    private Storage storage;

    @BeforeEach
    void mount() {
        // Hadoop keeps a file system for each authority, so each test has one of its own.
        String authority = folder.getFileName().toString();
        mountTable = "fs.viewfs.mounttable." + authority + ".link./data";
        root = "viewfs://" + authority + "/data";
        storage = new HadoopStorage(
                Map.of(mountTable, folder.toUri().toString(), "fs.defaultFS", "viewfs://" + authority));
    }

    private static void write(Storage storage, String file, byte[] bytes) throws IOException {
        try (OutputStream out = storage.create(file)) {
            out.write(bytes);
        }
    }

    @Test
    void readsRanges() throws IOException {
        byte[] bytes = new byte[3_000_000];
        new Random(5).nextBytes(bytes);
        write(storage, root + "/a b.bin", bytes);
        assertArrayEquals(bytes, Files.readAllBytes(folder.resolve("a b.bin")));
        try (RangeReader reader = storage.open(root + "/a b.bin")) {
            assertEquals(bytes.length, reader.length());
            byte[] part = new byte[1_000_003];
            reader.readFully(1_234_567, part, 3, 1_000_000);
            assertArrayEquals(
                    java.util.Arrays.copyOfRange(bytes, 1_234_567, 2_234_567),
                    java.util.Arrays.copyOfRange(part, 3, part.length));
            assertEquals(
                    "Cannot read 2 bytes from byte 2999999 of " + root + "/a b.bin: the file has 3000000 bytes",
                    assertThrows(EOFException.class, () -> reader.readFully(2_999_999, part, 0, 2))
                            .getMessage());
        }
    }

    @Test
    void goesToExecutorsWithItsSettings() throws Exception {
        write(storage, root + "/a", new byte[3]);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(storage);
        }
        Storage copy;
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            copy = (Storage) in.readObject();
        }
        assertEquals(3, copy.status(root + "/a").length());

        Configuration configuration = new Configuration();
        configuration.set(mountTable, folder.toUri().toString());
        assertEquals(3, HadoopStorage.of(configuration).status(root + "/a").length());
    }

    @Test
    void keepsPlainPathsOnThisMachine() throws IOException {
        String plain = folder.resolve("plain").toString();
        write(storage, plain, new byte[2]);
        assertEquals(2, storage.status(plain).length());
        assertEquals(2, storage.status("file:" + plain).length());
        assertTrue(storage.openForWriting(plain).isPresent());
        assertTrue(storage.openForWriting(root + "/plain").isEmpty());
        storage.rename(plain, plain + "2");
        assertEquals(plain + "2", storage.list(folder.toString()).get(0).file());
        storage.delete(plain + "2");
        assertFalse(storage.exists(plain + "2"));
        storage.createFolder(storage.resolve(folder.toString(), "sub"));
        assertTrue(storage.status(folder.resolve("sub").toString()).folder());
    }

    @Test
    void makesListsRenamesAndDeletes() throws IOException {
        storage.createFolder(root + "/x/y");
        write(storage, storage.resolve(root + "/x", "b"), new byte[] {1});
        write(storage, storage.resolve(root + "/x/", "a a"), new byte[] {2, 2});
        List<Storage.FileStatus> entries = storage.list(root + "/x");
        assertEquals(
                List.of("a a", "b", "y"),
                entries.stream().map(Storage.FileStatus::fileName).toList());
        assertEquals(
                List.of(2L, 1L, 0L),
                entries.stream().map(Storage.FileStatus::length).toList());
        assertEquals(2, storage.status(entries.get(0).file()).length(), "names of a listing can be used");

        storage.rename(root + "/x/b", root + "/x/a a");
        assertArrayEquals(new byte[] {1}, Files.readAllBytes(folder.resolve("x/a a")));
        assertFalse(storage.exists(root + "/x/b"));
        assertEquals(
                "Cannot rename " + root + "/x/a a to " + root + "/x/y: a folder has that name",
                assertThrows(IOException.class, () -> storage.rename(root + "/x/a a", root + "/x/y"))
                        .getMessage());

        storage.delete(root + "/x");
        storage.delete(root + "/x");
        assertFalse(Files.exists(folder.resolve("x")));
    }

    @Test
    void makesAFileOnlyWhereThereIsNone() throws IOException {
        assertTrue(storage.createNew(root + "/claimed", new byte[] {1, 2}));
        assertFalse(storage.createNew(root + "/claimed", new byte[] {3, 4, 5}));
        assertEquals(2, storage.status(root + "/claimed").length());
        storage.createFolder(root + "/full");
        write(storage, root + "/full/file", new byte[1]);
        assertFalse(storage.deleteEmptyFolder(root + "/full"));
        storage.delete(root + "/full/file");
        assertTrue(storage.deleteEmptyFolder(root + "/full"));
        assertTrue(storage.deleteEmptyFolder(root + "/full"));
        assertFalse(storage.exists(root + "/full"));
    }

    @Test
    void explainsFailuresInOneLine() throws IOException {
        String missing = root + "/missing";
        assertEquals(
                "Cannot read " + missing + ": no such file",
                assertThrows(FileNotFoundException.class, () -> storage.open(missing))
                        .getMessage());
        assertEquals(
                "Cannot look at " + missing + ": no such file",
                assertThrows(FileNotFoundException.class, () -> storage.status(missing))
                        .getMessage());
        assertEquals(
                "Cannot list " + missing + ": no such file",
                assertThrows(FileNotFoundException.class, () -> storage.list(missing))
                        .getMessage());
        assertEquals(
                "Cannot rename " + missing + " to " + root + "/b: no such file",
                assertThrows(FileNotFoundException.class, () -> storage.rename(missing, root + "/b"))
                        .getMessage());
        assertEquals(
                "Cannot write " + missing + "/a: its folder does not exist",
                assertThrows(FileNotFoundException.class, () -> storage.create(missing + "/a"))
                        .getMessage());
        assertEquals(
                "Cannot read " + root + ": it is a folder",
                assertThrows(IOException.class, () -> storage.open(root)).getMessage());
        assertEquals(
                "Cannot reach nosuch://host/a: no file system for scheme nosuch on the class path (--packages may be missing)",
                assertThrows(IOException.class, () -> storage.open("nosuch://host/a"))
                        .getMessage());
        assertEquals(
                "Cannot reach gone://bucket/a: no file system for scheme gone on the class path (--packages may be missing)",
                assertThrows(
                                IOException.class,
                                () -> new HadoopStorage(Map.of("fs.gone.impl", "no.such.FileSystem"))
                                        .open("gone://bucket/a"))
                        .getMessage());
        assertEquals(
                "Cannot rename " + root + "/a to /b: not on the same file system",
                assertThrows(InvalidInputException.class, () -> storage.rename(root + "/a", "/b"))
                        .getMessage());
        assertThrows(InvalidInputException.class, () -> storage.resolve(root, "../outside"));
    }
}
