package io.sparkgguf.calibrate.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.hadoop.HadoopStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TextFilesTest {
    @TempDir
    Path folder;

    @BeforeEach
    void fill() throws IOException {
        for (String file : List.of(
                "b.txt",
                "a.jsonl",
                "c.bin",
                "d.safetensors",
                "notes.pdf",
                ".hidden.txt",
                "_SUCCESS",
                "x/1/e.md",
                "x/2/f.text",
                "x/2/g.dat",
                "_old/h.txt",
                "odd[1].txt",
                "none/z.pdf")) {
            Files.createDirectories(folder.resolve(file).getParent());
            Files.writeString(folder.resolve(file), file);
        }
    }

    private String found(String source) throws IOException {
        List<String> names = TextFiles.find(new LocalStorage(), List.of(folder + "/" + source), "calibrate").stream()
                .map(file -> folder.relativize(Path.of(file.file())) + ":" + file.kind())
                .toList();
        return String.join(" ", names);
    }

    @Test
    void aFolderMeansTheTextsInIt() throws IOException {
        assertEquals(
                "a.jsonl:JSON_LINES b.txt:PLAIN c.bin:INT32 d.safetensors:SAFETENSORS odd[1].txt:PLAIN x/1/e.md:PLAIN"
                        + " x/2/f.text:PLAIN",
                found(""));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '#',
            value = {
                "notes.pdf # notes.pdf:PLAIN",
                "*.txt # b.txt:PLAIN odd[1].txt:PLAIN",
                "?.{txt,bin} # b.txt:PLAIN c.bin:INT32",
                "[a-b].* # a.jsonl:JSON_LINES b.txt:PLAIN",
                "[!a-b].bin # c.bin:INT32",
                "x/*/*.* # x/1/e.md:PLAIN x/2/f.text:PLAIN x/2/g.dat:PLAIN",
                "x/[2] # x/2/f.text:PLAIN",
                "odd[1].txt # odd[1].txt:PLAIN",
                ".*.txt # .hidden.txt:PLAIN",
            })
    void namesAndGlobsMeanFiles(String source, String expected) throws IOException {
        assertEquals(expected, found(source));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '#',
            value = {
                "nothing.txt # no such file or folder",
                "*.csv # it matches no file",
                "y/*/z # it matches no file",
                "none # no file in it ends in .txt, .text, .md, .jsonl, .ndjson, .json, .bin or .safetensors",
            })
    void whatMeansNoFileIsRefused(String source, String reason) {
        InvalidInputException refusal = assertThrows(InvalidInputException.class, () -> found(source));
        assertEquals("Cannot calibrate with " + folder + "/" + source + ": " + reason, refusal.getMessage());
    }

    @Test
    void uriOfAHadoopFileSystemIsAGlobToo() throws IOException {
        // Hadoop's own local file system stands for any other
        HadoopStorage storage = new HadoopStorage(Map.of("fs.disk.impl", DiskFileSystem.class.getName()));
        List<TextFile> files = TextFiles.find(storage, List.of("disk://" + folder + "/x/*/*.md"), "calibrate");
        assertEquals(1, files.size());
        assertEquals("disk:" + folder + "/x/1/e.md", files.get(0).file().replace("disk://", "disk:"));
    }

    /** Local files under a scheme of their own. */
    public static final class DiskFileSystem extends org.apache.hadoop.fs.RawLocalFileSystem {
        @Override
        public java.net.URI getUri() {
            return java.net.URI.create("disk:///");
        }
    }
}
