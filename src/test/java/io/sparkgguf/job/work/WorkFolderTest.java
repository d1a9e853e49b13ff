package io.sparkgguf.job.work;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several runs, their work folders, and one target. */
class WorkFolderTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path folder;

    private final List<String> said = new ArrayList<>();

    private final Progress progress = new Progress() {
        @Override
        public void say(String line) {
            said.add(line);
        }

        @Override
        public void begin(String stage, long total, Unit unit) {}

        @Override
        public void advance(long work) {}

        @Override
        public void end() {}
    };

    private static Fingerprint fingerprint(String type, String output) {
        return new Fingerprint.Builder()
                .add("type", type)
                .add(WorkFolders.OUTPUT, output)
                .build();
    }

    private String target() {
        return folder.resolve("x.gguf").toString();
    }

    private WorkFolder work(String type) {
        return work(type, target());
    }

    private WorkFolder work(String type, String output) {
        return new WorkFolder(new LocalStorage(), folder.resolve("work").toString(), output, fingerprint(type, output));
    }

    private WorkFolder create(WorkFolder work, WorkFolder.Start start) throws IOException {
        said.clear();
        work.create(start, JSON, progress);
        return work;
    }

    private WorkFolder create(String type) throws IOException {
        return create(work(type), WorkFolder.Start.ANY);
    }

    /** A run that did something and ended early. */
    private String interrupted(String type) throws IOException {
        WorkFolder work = create(type);
        work.journal().record("quantize", "7", "done", List.of());
        assertTrue(work.isKept());
        work.end();
        assertTrue(work.isKept());
        return work.folder();
    }

    @Test
    void isMadeAndRemoved() throws IOException {
        WorkFolder work = create("Q4_0");
        assertEquals(Set.of("work", "x.gguf.lease"), Cli.names(folder));
        assertEquals(
                folder.resolve("work/" + fingerprint("Q4_0", target()).id()).toString(), work.folder());
        assertEquals(fingerprint("Q4_0", target()).text(), Files.readString(Path.of(work.folder(), "fingerprint")));
        work.end();
        assertEquals(Set.of(), Cli.names(folder));
        assertEquals(List.of(), said);
        work.end();
    }

    @Test
    void isGoneOnFromByTheSameRun() throws IOException {
        String left = interrupted("Q4_0");
        assertEquals(Set.of("work"), Cli.names(folder));
        WorkFolder work = create("Q4_0");
        assertTrue(work.isResumed());
        assertEquals(List.of("spark-gguf: going on from what an earlier run left in " + left), said);
        assertEquals("done", work.journal().known("quantize", "7", String.class));
        work.finished();
        work.end();
        assertEquals(Set.of(), Cli.names(folder));
    }

    @Test
    void isLeftAloneByOtherRuns() throws IOException {
        String left = interrupted("Q4_0");
        WorkFolder other = create("Q4_1");
        assertFalse(other.isResumed());
        assertEquals(
                List.of("spark-gguf: " + folder + "/work also holds what 1 run(s) with other input or options left;"
                        + " 'spark-gguf clean' removes that"),
                said);
        other.finished();
        other.end();
        assertEquals(Set.of("work"), Cli.names(folder));
        create("Q4_0").end();
        assertTrue(Files.exists(Path.of(left)));

        create(work("Q4_0", folder.resolve("y.gguf").toString()), WorkFolder.Start.ANY)
                .end();
        assertEquals(List.of(), said, "another output is no concern of this one");
    }

    @Test
    void isRemovedWhenARunIsToBeginAnew() throws IOException {
        String left = interrupted("Q4_0");
        WorkFolder work = create(work("Q4_0"), WorkFolder.Start.FRESH);
        assertEquals(List.of("spark-gguf: removing what an earlier run left in " + left), said);
        assertTrue(work.journal().isEmpty());
        work.end();
        assertEquals(Set.of(), Cli.names(folder));
        create(work("Q4_0"), WorkFolder.Start.FRESH).end();
        assertEquals(List.of(), said);
    }

    private String refusedToResume(String type) {
        WorkFolder work = work(type);
        String reason = assertThrows(InvalidInputException.class, () -> create(work, WorkFolder.Start.RESUME))
                .getMessage();
        work.end();
        return reason;
    }

    @Test
    void saysWhyThereIsNothingToResume() throws IOException {
        String start = "Cannot resume " + target() + ": ";
        assertEquals(start + "there is no unfinished run of it in " + folder + "/work", refusedToResume("Q4_0"));
        assertEquals(Set.of(), Cli.names(folder));
        interrupted("Q4_0");
        assertEquals(
                start + "the unfinished run in " + folder + "/work is another one: type is Q5_0, was Q4_0",
                refusedToResume("Q5_0"));
        assertEquals(Set.of("work"), Cli.names(folder));
        create(work("Q4_0"), WorkFolder.Start.RESUME).end();
    }

    /** Nothing to go on from: nothing was done, or the same run would be refused again. */
    @Test
    void goesWhenItIsOfNoUse() throws IOException {
        WorkFolder refused = create("Q4_0");
        refused.journal().record("quantize", "7", "done", List.of());
        refused.refused();
        refused.end();
        assertEquals(Set.of(), Cli.names(folder));

        WorkFolder long1 = create("Q4_0");
        long1.journal().record("quantize", "7", "done", List.of());
        long1.keepIfRefused();
        long1.refused();
        long1.end();
        assertEquals(Set.of("work"), Cli.names(folder));

        WorkFolder resumed = create("Q4_0");
        resumed.refused();
        resumed.end();
        assertEquals(Set.of("work"), Cli.names(folder), "what an earlier run did is not thrown away");
    }

    @Test
    void isNotSharedByTwoRunsAtOnce() throws IOException {
        WorkFolder first = create("Q4_0");
        for (String type : List.of("Q4_0", "Q4_1")) {
            WorkFolder second = work(type);
            String reason = assertThrows(InvalidInputException.class, () -> create(second, WorkFolder.Start.FRESH))
                    .getMessage();
            assertTrue(reason.startsWith("Cannot write " + target() + ": run "), reason);
            second.end();
        }
        first.requireOurs("publish");
        assertTrue(Files.exists(Path.of(first.folder())));
        first.end();
        create("Q4_0").end();
    }

    @Test
    void isLeftToTheRunThatTookTheTarget() throws IOException {
        WorkFolder lost = create("Q4_0");
        Path lease = folder.resolve("x.gguf.lease");
        Files.delete(lease);
        WorkFolder second = create("Q4_0");
        assertFalse(lost.isOurs());
        String reason = assertThrows(IOException.class, () -> lost.requireOurs("publish"))
                .getMessage();
        assertTrue(reason.matches("Cannot publish .*: run .* took it meanwhile .*"), reason);
        lost.end();
        assertTrue(Files.exists(lease));
        assertTrue(Files.exists(Path.of(second.folder())));
        second.end();
        assertEquals(Set.of(), Cli.names(folder));
    }

    @Test
    void foldersOfSomebodyElseAreRefused() throws IOException {
        Path top = Files.createDirectories(folder.resolve("work"));
        String id = fingerprint("Q4_0", target()).id();
        for (Path other : List.of(top.resolve("precious"), top.resolve(id + "/precious"))) {
            Files.createDirectories(other.getParent());
            Files.writeString(other, "keep");
            WorkFolder work = work("Q4_0");
            assertEquals(
                    "Cannot use work folder " + top
                            + ": it exists and was not made by this program; name another with --work-dir",
                    assertThrows(InvalidInputException.class, () -> create(work, WorkFolder.Start.FRESH))
                            .getMessage());
            work.end();
            assertEquals("keep", Files.readString(other));
            Files.delete(other);
        }
        create("Q4_0").end();
        assertEquals(Set.of(), Cli.names(folder), "folders that are empty are anybody's");
    }

    @Test
    void outputsArePublishedByTheRunThatHoldsThem() throws IOException {
        OutputFile output = new OutputFile(target(), new byte[8], 8, 0);
        WorkFolder work = create("Q4_0");
        Outputs outputs = new Outputs(
                new LocalStorage(), List.of(output), folder.resolve("report").toString());
        outputs.begin(work);
        assertEquals(Set.of("work", "x.gguf.lease", "x.gguf.unfinished", "report.unfinished"), Cli.names(folder));
        outputs.publish(work, new byte[] {'{', '}'});
        assertEquals("{}", Files.readString(folder.resolve("report")));
        outputs.abort(work);
        work.end();
        assertEquals(Set.of("x.gguf", "report"), Cli.names(folder));
        assertEquals(
                "Cannot publish " + target() + ": the run was told to end",
                assertThrows(IOException.class, () -> outputs.publish(work, new byte[1]))
                        .getMessage());
    }
}
