package io.sparkgguf.job.work;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.WholeFile.Written;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is recorded is known to the next run, unless it was damaged. */
class JournalTest {
    @TempDir
    private Path folder;

    private record Result(String text, double figure, List<Integer> numbers) {}

    private Journal open() throws IOException {
        return Journal.open(new LocalStorage(), folder.toString(), new ObjectMapper());
    }

    private Written file(String name, long digest) {
        return new Written(folder.resolve(name).toString(), 5, digest);
    }

    private List<Path> segments() throws IOException {
        try (var list = Files.list(folder.resolve("journal"))) {
            return list.sorted().toList();
        }
    }

    @Test
    void isReadBack() throws IOException {
        Result result = new Result("line\nbreak, \"quotes\", ünïcode", Double.NaN, List.of(1, 2));
        try (Journal journal = open()) {
            assertTrue(journal.isEmpty());
            journal.record("blk.0: solve", "17", result, List.of(file("parts/unit-17", -2), file("b", 7)));
            journal.record("blk.0: solve", "18", result, List.of());
            journal.record("sums", "a", 5L, List.of());
            assertEquals(result, journal.known("blk.0: solve", "17", Result.class));
        }
        try (Journal journal = open()) {
            assertEquals(0, journal.damaged());
            assertEquals(result, journal.known("blk.0: solve", "17", Result.class));
            assertEquals(List.of(file("parts/unit-17", -2), file("b", 7)), journal.files("blk.0: solve", "17"));
            assertEquals(5L, journal.known("sums", "a", Long.class));
            assertEquals(2, journal.count("blk.0: solve"));
            assertNull(journal.known("sums", "b", Long.class));
            assertNull(journal.known("sums", "a", Result.class), "a result of another form is none");
        }
    }

    @Test
    void laterLinesReplaceEarlierOnes() throws IOException {
        try (Journal journal = open()) {
            journal.record("solve", "1", "first", List.of(file("x", 1)));
            journal.record("guard", "1", "second", List.of(file("x", 2)));
            journal.record("sums", "1", "a", List.of(file("y", 3)));
            journal.record("sums", "2", "a", List.of());
            journal.record("sums", "2", "b", List.of());
            journal.record("gone", "1", "x", List.of(file("z", 4)));
            journal.forget("sums", "1");
            journal.forget("gone");
        }
        try (Journal journal = open()) {
            assertEquals(List.of(file("x", 2)), journal.files());
            assertNull(journal.known("sums", "1", String.class));
            assertEquals("b", journal.known("sums", "2", String.class));
            assertEquals(0, journal.count("gone"));
        }
    }

    @Test
    void resultsGoWithTheirFiles() throws IOException {
        try (Journal journal = open()) {
            journal.record("solve", "1", "first", List.of(file("x", 1)));
            journal.record("guard", "1", "second", List.of(file("x", 2)));
            journal.record("guard", "2", "third", List.of(file("y", 2), file("z", 3)));
            journal.record("sums", "1", 1, List.of());
            journal.forgetFile(folder.resolve("x").toString());
            assertEquals(0, journal.count("solve"));
            assertEquals(Set.of(folder + "/y", folder + "/z"), journal.fileNames());
        }
        try (Journal journal = open()) {
            assertEquals(Set.of(folder + "/y", folder + "/z"), journal.fileNames());
            assertTrue(journal.knowsAll("sums", List.of("1")));
            assertFalse(journal.knowsAll("guard", List.of("1", "2")));
            assertTrue(journal.knowsAll("none", List.of()));
        }
    }

    @Test
    void resultsMayOutliveTheirFiles() throws IOException {
        try (Journal journal = open()) {
            journal.record("pass", "1", "kept", List.of(file("partials/1", 1), file("hidden/1", 2)));
            journal.record("pass", "2", "kept", List.of(file("partials-2", 1)));
            journal.releaseFiles("pass", folder.resolve("partials").toString());
        }
        try (Journal journal = open()) {
            assertEquals(List.of(file("partials-2", 1), file("hidden/1", 2)), journal.files());
            assertEquals("kept", journal.known("pass", "1", String.class));
        }
    }

    @Test
    void keepsOnlyFilesOfItsFolder() throws IOException {
        try (Journal journal = open()) {
            Written elsewhere = new Written("/elsewhere/x", 1, 1);
            assertEquals(
                    "Cannot keep /elsewhere/x in the journal: it is not in " + folder,
                    assertThrows(IllegalArgumentException.class, () -> journal.record("s", "i", 1, List.of(elsewhere)))
                            .getMessage());
        }
    }

    /** Whatever happens to bytes of the journal, what is still known is what was recorded. */
    @Test
    void damageIsDroppedAndNeverBelieved() throws IOException {
        try (Journal journal = open()) {
            for (int i = 0; i < 40; i++) {
                journal.record("s" + i % 3, "" + i, new Result("r" + i, i, List.of(i)), List.of());
            }
        }
        Path segment = segments().get(0);
        byte[] whole = Files.readAllBytes(segment);
        for (long seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            byte[] bytes = whole.clone();
            if (seed % 2 == 0) {
                bytes = java.util.Arrays.copyOf(bytes, random.nextInt(bytes.length));
            } else {
                bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
            }
            Files.write(segment, bytes);
            int known = 0;
            try (Journal journal = open()) {
                for (int i = 0; i < 40; i++) {
                    Result found = journal.known("s" + i % 3, "" + i, Result.class);
                    if (found != null) {
                        assertEquals(new Result("r" + i, i, List.of(i)), found, "seed " + seed);
                        known++;
                    }
                }
                if (seed % 2 == 1) {
                    assertTrue(known >= 38, "seed " + seed + ": only " + known + " are known");
                    assertTrue(journal.damaged() > 0, "seed " + seed);
                }
            }
        }
    }

    @Test
    void linesOfAnotherMeaningAreDamaged() throws IOException {
        Path journals = Files.createDirectories(folder.resolve("journal"));
        Segments segments = new Segments(new LocalStorage(), journals.toString());
        String inside = "{\"stage\":\"s\",\"item\":\"1\",\"result\":1,\"files\":[{\"name\":\"%s\",\"digest\":\"%s\"}]}";
        segments.add(List.of(
                "no json",
                "[1]",
                "{\"item\":\"1\",\"result\":1}",
                inside.formatted("", "0000000000000000"),
                inside.formatted("../../etc/passwd", "0000000000000000"),
                inside.formatted("/etc/passwd", "0000000000000000"),
                inside.formatted("x", "zzzz"),
                "{\"stage\":\"s\",\"item\":\"2\",\"result\":2}"));
        try (Journal journal = open()) {
            assertEquals(7, journal.damaged());
            assertEquals(1, journal.count("s"));
            assertEquals(2, journal.known("s", "2", Integer.class));
        }
    }

    @Test
    void manySegmentsBecomeOne() throws IOException {
        try (Journal journal = open()) {
            for (int i = 0; i < 3 * Segments.MANY; i++) {
                journal.record("s", "" + i % 50, i, List.of());
                if (i % 7 == 0) {
                    journal.forget("s", "" + i % 50);
                }
                journal.flush();
                assertTrue(segments().size() <= Segments.MANY + 1, "after " + i);
            }
        }
        try (Journal journal = open()) {
            assertEquals(0, journal.damaged());
            for (int item = 0; item < 50; item++) {
                int last = (3 * Segments.MANY - 1 - item) / 50 * 50 + item;
                assertEquals(
                        last % 7 == 0 ? null : (Integer) last,
                        journal.known("s", "" + item, Integer.class),
                        "item " + item);
            }
        }
    }

    /** Until a segment has its name it is a temporary file. */
    private boolean isSegmentThere() throws IOException {
        return segments().stream().anyMatch(file -> file.toString().matches(".*segment-\\d+"));
    }

    @Test
    void whatArrivesIsWrittenWithoutBeingAsked() throws Exception {
        try (Journal journal = open()) {
            journal.record("s", "1", 1, List.of());
            for (int i = 0; i < 1000 && !isSegmentThere(); i++) {
                Thread.sleep(20);
            }
            try (Journal other = open()) {
                assertEquals(1, other.known("s", "1", Integer.class));
            }
        }
    }

    @Test
    void whatCannotBeWrittenEndsTheRun() throws IOException {
        try (Journal journal = open()) {
            Files.delete(folder.resolve("journal"));
            journal.record("s", "1", 1, List.of());
            String reason = assertThrows(IOException.class, journal::flush).getMessage();
            assertTrue(reason.matches("Cannot write .*segment-.*: its folder does not exist"), reason);
            assertEquals(
                    reason,
                    assertThrows(IOException.class, () -> journal.record("s", "2", 1, List.of()))
                            .getMessage());
            Files.createDirectories(folder.resolve("journal"));
            assertEquals(reason, assertThrows(IOException.class, journal::close).getMessage());
        }
        assertEquals(new TreeSet<>(), new TreeSet<>(segments()));
    }
}
