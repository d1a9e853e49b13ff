package io.sparkgguf.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A writer of the whole file that is killed leaves what it had: it goes with the run, and nothing else does. */
class StreamCommitTest {
    private static final byte[] BYTES = "all of it".getBytes(StandardCharsets.UTF_8);
    private static final String KILLED = "m.gguf.unfinished.0b9a4ec7-782d-4e5b-9bf8-21ea80bc4638.tmp";
    private static final Set<String> OTHERS = Set.of(
            "another.gguf.unfinished.0b9a4ec7-782d-4e5b-9bf8-21ea80bc4638.tmp",
            "m.gguf.unfinished.notes.tmp",
            "m.gguf.0b9a4ec7-782d-4e5b-9bf8-21ea80bc4638.tmp");

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aKilledWriterLeavesNothing(boolean published) throws IOException {
        for (String other : OTHERS) {
            Files.writeString(folder.resolve(other), other);
        }
        StreamCommit commit =
                new StreamCommit(new LocalStorage(), folder.resolve("m.gguf").toString(), BYTES.length);
        commit.begin(null);
        Files.writeString(folder.resolve(KILLED), "all");
        String receipt = commit.sink(1).write(0, 0, true, new Content());
        commit.seal(List.of(receipt));
        Set<String> left = new TreeSet<>(OTHERS);
        if (published) {
            commit.publish();
            left.add("m.gguf");
            assertEquals("all of it", Files.readString(folder.resolve("m.gguf")));
        } else {
            commit.abort();
        }
        assertEquals(left, names());
    }

    private Set<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toCollection(TreeSet::new));
        }
    }

    private static final class Content implements RangeContent {
        @Override
        public long length() {
            return BYTES.length;
        }

        @Override
        public InputStream open() {
            return new ByteArrayInputStream(BYTES);
        }
    }
}
