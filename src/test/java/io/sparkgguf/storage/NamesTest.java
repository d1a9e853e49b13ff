package io.sparkgguf.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.storage.hadoop.HadoopStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Names that a checkpoint gives for its own files stay in its folder, whichever storage it lies on. */
class NamesTest {
    private static final List<String> FOLDERS =
            List.of("/data/model", "data/model/", "file:/data/a%20b", "hdfs://host:9000/model", "s3a://bucket/model/");

    static Stream<Arguments> outside() {
        return Stream.of(
                        "",
                        "/etc/passwd",
                        "//host/share",
                        "..",
                        "../other",
                        "a/../../b",
                        "a/..",
                        "..\\other",
                        "C:\\model",
                        "file:/etc/passwd",
                        "file:///etc/passwd",
                        "FILE:/etc/passwd",
                        "s3a://other/model.safetensors",
                        "hdfs:/other",
                        "a\0b")
                .flatMap(child -> FOLDERS.stream().map(folder -> Arguments.of(folder, child)));
    }

    @ParameterizedTest
    @MethodSource("outside")
    void refusesWhatLiesOutside(String folder, String child) {
        Storage storage = new HadoopStorage(Map.of());
        assertEquals(
                "Cannot use '" + child.replace('\0', '?') + "' as a name in folder " + folder + ": it lies outside",
                assertThrows(InvalidInputException.class, () -> storage.resolve(folder, child))
                        .getMessage());
    }

    /** What looks like an escape or like a part of a URI is a name like any other, and stays where it is. */
    static Stream<Arguments> odd() {
        return Stream.of(
                        "%2e%2e", "%2e%2e%2fother", "..%2fother", "a%2f..%2f..", "a?b", "a#b", "~", "...", "a:b", "a b")
                .flatMap(child -> FOLDERS.stream().map(folder -> Arguments.of(folder, child)));
    }

    @ParameterizedTest
    @MethodSource("odd")
    void takesOddNamesAsTheyAre(String folder, String child) {
        String resolved = new HadoopStorage(Map.of()).resolve(folder, child);
        assertTrue(resolved.endsWith("/" + child), resolved);
        if (Names.scheme(resolved).isEmpty()) {
            assertEquals(child, Path.of(resolved).normalize().getFileName().toString());
        } else {
            org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(resolved);
            assertEquals(child, path.getName());
            assertEquals(new org.apache.hadoop.fs.Path(folder), path.getParent());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "/data/m.gguf, /data",
        "/m.gguf, /",
        "hdfs://host:9000/data/m.gguf, hdfs://host:9000/data",
        "hdfs://host:9000/m.gguf, hdfs://host:9000/",
        "s3a://bucket/m.gguf, s3a://bucket/",
        "held:///m.gguf, held:///",
        "file:/m.gguf, file:/",
        "file:/data/m.gguf, file:/data"
    })
    void knowsTheFolderOfAFile(String file, String folder) {
        assertEquals(folder, Names.folder(file));
    }

    @Test
    void aNameAloneLiesInTheFolderOfTheProcess() {
        assertEquals(Path.of("").toAbsolutePath().toString(), Names.folder("m.gguf"));
    }
}
