package io.sparkgguf.job;

import io.sparkgguf.calibrate.text.CalibrationText;
import io.sparkgguf.calibrate.text.Packing;
import io.sparkgguf.calibrate.text.TextSettings;
import io.sparkgguf.calibrate.text.TokenSequences;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Fingerprint;
import io.sparkgguf.job.work.Lease;
import io.sparkgguf.job.work.Outputs;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.job.work.WorkFolders;
import io.sparkgguf.job.work.WorkRun;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;

/**
 * Collects an importance matrix as llama-imatrix does: sums of squares of what each linear layer of a block reads, over
 * all tokens of a text cut into sequences. One stage, in which each task takes a few sequences through the model; the
 * sums go through files in the work folder and are added in the order of the text.
 */
public final class ImatrixJob {
    private final Session session;
    private final ImatrixSettings settings;
    private final List<String> datasets;
    private final Progress progress;
    private final Storage storage;

    public ImatrixJob(Session session, ImatrixSettings settings, Progress progress) {
        this.session = session;
        this.settings = settings.renamed(session::everywhere);
        this.datasets = settings.calibration(); // as they were named
        this.progress = progress;
        this.storage = session.storage();
    }

    /**
     * What was written.
     *
     * @param entries weights that have an importance
     * @param chunks sequences behind it, merged ones included
     * @param tokens run through the model by this run
     * @param seconds of wall time for them
     * @param taskMemory bytes that a task took at its peak, 0 when nothing was run
     */
    public record Result(String output, int entries, int chunks, long tokens, double seconds, long taskMemory) {}

    /** Does it, and writes the file when all of it is known. */
    public Result run() throws IOException {
        requireOutput();
        try (MergedImatrix sums = new MergedImatrix(settings.context())) {
            if (settings.collects()) {
                return collect(sums);
            }
            return Lease.holding(storage, settings.output(), lease -> {
                merge(sums);
                lease.renew();
                return write(sums, 0, 0, 0);
            });
        }
    }

    private Result collect(MergedImatrix sums) throws IOException {
        Checkpoint checkpoint = Checkpoint.open(storage, settings.model(), null);
        if (checkpoint.reads(storage, settings.output())) {
            throw new InvalidInputException("Cannot write " + settings.output() + ": the model is read from it");
        }
        RunnableModel model = RunnableModel.of(checkpoint);
        TokenSequences text = text(checkpoint);
        List<Passage> passages = Passage.cut(text.tokens(), text.ends(), Passage.TOKENS);
        InputColumns columns = new InputColumns(model.config(), processOutput(model));
        WorkFolder folder = new WorkFolder(storage, settings.work(), settings.output(), fingerprint());
        Outputs outputs = new Outputs(storage, List.of(), settings.output());
        try (WorkRun work = new WorkRun(session, folder, outputs)) {
            work.create(WorkFolder.Start.FRESH, Results.JSON, progress);
            ImatrixTask task = new ImatrixTask(checkpoint.pin(storage), folder.parts(), model, columns);
            long memory = task.memory(passages.get(0).tokens().length);
            progress.say("%s: %d sequences of %,d tokens; %,d MiB of memory for each task"
                    .formatted(Version.TOOL, text.count(), settings.context(), (memory >> 20) + 1));
            session.requireRoom("seeing a passage", memory, null);
            work.during(session::context);
            long start = System.nanoTime();
            work.during(() -> Stage.of("imatrix", passages, task)
                    .cost(passage -> passage.tokens().length)
                    .size(passage -> passage.tokens().length, Progress.Unit.TOKENS)
                    .memory(passage -> memory)
                    .run(session, progress));
            double seconds = (System.nanoTime() - start) / 1e9;
            double[] all = new double[columns.count()];
            for (Passage passage : passages) {
                task.add(passage.index(), all);
            }
            collect(model, columns, all, text.tokens().length, sums);
            checkpoint.requireUnchanged(storage);
            merge(sums);
            folder.requireOurs("write " + settings.output());
            return write(sums, text.tokens().length, seconds, memory);
        }
    }

    /** What is read and written; sums of an earlier run are not gone on from. */
    private Fingerprint fingerprint() {
        return new Fingerprint.Builder()
                .add("code", Version.TOOL + " " + Version.number())
                .add(WorkFolders.OUTPUT, settings.output())
                .addAll("imatrix", settings)
                .build();
    }

    private void merge(MergedImatrix sums) throws IOException {
        for (String file : settings.merge()) {
            sums.merge(storage, file);
        }
    }

    private Result write(MergedImatrix sums, long tokens, double seconds, long memory) throws IOException {
        WholeFile.write(storage, settings.output(), out -> sums.write(out, settings.legacy(), datasets));
        return new Result(settings.output(), sums.entries(), sums.chunks(), tokens, seconds, memory);
    }

    private void requireOutput() throws IOException {
        storage.requireFileName(settings.output());
        for (String file : settings.merge()) {
            if (!storage.exists(file)) {
                throw new InvalidInputException("Cannot merge imatrix " + file + ": no such file");
            }
            if (storage.isSameFile(file, settings.output())) {
                throw new InvalidInputException("Cannot write " + settings.output() + ": it is to be merged");
            }
        }
        for (String file : settings.calibration()) {
            if (storage.isSameFile(file, settings.output())) {
                throw new InvalidInputException(
                        "Cannot write " + settings.output() + ": the calibration text is read from it");
            }
        }
    }

    private TokenSequences text(Checkpoint checkpoint) throws IOException {
        TokenSequences text = CalibrationText.read(
                storage,
                checkpoint.model().metadata(),
                checkpoint.tokenizerFolder(),
                new TextSettings(
                        "calibrate",
                        settings.calibration(),
                        settings.tokenizer(),
                        settings.context(),
                        (long) settings.chunks() * settings.context(),
                        0,
                        Packing.LLAMA));
        text.notes().forEach(progress::say);
        return text;
    }

    /** Whether the output head gets an entry; llama-imatrix writes none for one that is the embedding too. */
    private boolean processOutput(RunnableModel model) {
        if (settings.processOutput() && !model.weights().has("output.weight")) {
            progress.say("spark-gguf: the output head is the token embedding, which gets no entry");
            return false;
        }
        return settings.processOutput();
    }

    private static void collect(
            RunnableModel model, InputColumns columns, double[] all, long tokens, MergedImatrix sums) {
        for (int block = 0; block < model.config().blocks(); block++) {
            for (LinearInput input : LinearInput.values()) {
                int at = columns.at(block, input);
                double[] own = Arrays.copyOfRange(all, at, at + columns.columns(input));
                input.tensors(block).forEach(tensor -> sums.collect(tensor, own, tokens));
            }
        }
        if (columns.output()) {
            sums.collect("output.weight", Arrays.copyOfRange(all, columns.atOutput(), columns.count()), tokens);
        }
    }
}
