package io.sparkgguf.job.work;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several runs and one work folder. */
class WorkFolderTest {
    private static final Set<String> ALL = Set.of("work", "x.gguf.unfinished", "report.unfinished");

    @TempDir
    private Path folder;

    private Process other;

    @BeforeEach
    void startAnotherProcess() throws IOException {
        other = new ProcessBuilder("sleep", "100").start();
    }

    @AfterEach
    void endIt() {
        other.destroyForcibly();
    }

    private WorkFolder work() {
        return new WorkFolder(new LocalStorage(), folder.resolve("work").toString());
    }

    private Outputs outputs() {
        OutputFile output = new OutputFile(folder.resolve("x.gguf").toString(), new byte[8], 8, 0);
        return new Outputs(
                new LocalStorage(), List.of(output), folder.resolve("report").toString());
    }

    private Outputs begun(WorkFolder work) throws IOException {
        work.create(Progress.SILENT);
        Outputs outputs = outputs();
        outputs.begin(work);
        return outputs;
    }

    /** The folder as a run of the other process would have it. */
    private void giveToTheOther(long startedEarlier) throws IOException {
        Owner here = Owner.here();
        long started = other.info().startInstant().orElseThrow().toEpochMilli() - startedEarlier;
        Path marker = Files.createDirectories(folder.resolve("work")).resolve("spark-gguf-work");
        Files.writeString(marker, new Owner("another-run", here.host(), other.pid(), started).text());
    }

    @Test
    void isMadeAndRemoved() throws IOException {
        WorkFolder work = work();
        Outputs outputs = begun(work);
        assertEquals(ALL, Cli.names(folder));
        outputs.abort(work);
        assertEquals(Set.of("work"), Cli.names(folder));
        work.remove();
        assertEquals(Set.of(), Cli.names(folder));
    }

    @Test
    void isNotTakenFromARunThatGoesOn() throws Exception {
        giveToTheOther(0);
        WorkFolder work = work();
        assertEquals(
                "Cannot use work folder " + folder + "/work: another run, process " + other.pid() + ", is using it",
                assertThrows(InvalidInputException.class, () -> work.create(Progress.SILENT))
                        .getMessage());
        work.remove();
        assertEquals(Set.of("work"), Cli.names(folder));

        other.destroyForcibly().waitFor();
        begun(work);
        assertEquals(ALL, Cli.names(folder));
    }

    @Test
    void isTakenFromAProcessOfEarlierWithTheSameId() throws IOException {
        giveToTheOther(5_000);
        begun(work());
        assertEquals(ALL, Cli.names(folder));
    }

    @Test
    void isLeftToTheRunThatTookIt() throws IOException {
        WorkFolder work = work();
        Outputs outputs = begun(work);
        giveToTheOther(0);
        assertEquals(
                "Cannot publish " + folder + "/x.gguf: another run took its work folder, " + folder + "/work",
                assertThrows(IOException.class, () -> outputs.publish(work, new byte[1]))
                        .getMessage());
        outputs.abort(work);
        work.remove();
        assertEquals(ALL, Cli.names(folder));
    }

    @Test
    void publishesOnce() throws IOException {
        WorkFolder work = work();
        Outputs outputs = begun(work);
        outputs.publish(work, new byte[] {'{', '}'});
        assertEquals("{}", Files.readString(folder.resolve("report")));
        outputs.abort(work);
        work.remove();
        assertEquals(Set.of("x.gguf", "report"), Cli.names(folder));
        assertEquals(
                "Cannot publish " + folder + "/x.gguf: the run was told to end",
                assertThrows(IOException.class, () -> outputs.publish(work, new byte[1]))
                        .getMessage());
    }

    @Test
    void ownersAreReadAsTheyWereWritten() {
        Owner owner = Owner.here();
        assertEquals(Optional.of(owner), Owner.parse(owner.text()));
        assertEquals(Optional.empty(), Owner.parse(""));
        assertEquals(Optional.empty(), Owner.parse(owner.text().substring(0, 30)));
        assertEquals(Optional.empty(), Owner.parse("run a on b, process " + "9".repeat(30) + " since 1\n"));
    }
}
