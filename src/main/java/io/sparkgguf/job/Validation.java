package io.sparkgguf.job;

import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Outputs;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.validate.Checked;
import io.sparkgguf.validate.TensorRange;
import io.sparkgguf.validate.TensorReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Reads all of the output back before it gets its name, as far as its place allows. Units that were written in place and
 * are not what was written there are made again: nobody has looked at them since.
 */
final class Validation {
    private final Session session;
    private final Storage storage;
    private final Plan plan;
    private final WorkFolder work;
    private final Outputs outputs;
    private final Progress progress;
    private final List<String> notes = new ArrayList<>();

    Validation(Session session, Plan plan, WorkFolder work, Outputs outputs, Progress progress) {
        this.session = session;
        this.storage = session.storage();
        this.plan = plan;
        this.work = work;
        this.outputs = outputs;
        this.progress = progress;
    }

    /** What had to be done more than once, for people. */
    List<String> notes() {
        return notes;
    }

    /**
     * Does it.
     *
     * @param units results by unit id
     * @param redo for units that were damaged in place
     * @return xxHash64 of the tensors, by their index
     * @throws InvalidInputException when the output is not what was planned, or not what was made and copied
     * @throws IOException when units are damaged again and again, too
     */
    List<Long> run(List<UnitResult> units, Assembly.Redo redo) throws IOException {
        for (int file = 0; file < plan.files().size(); file++) {
            try (RangeReader reader = reader(file)) {
                FileChecks.requireAsPlanned(reader, plan, file);
            }
        }
        List<List<WorkUnit>> unitsOf = new ArrayList<>();
        plan.tensors().forEach(tensor -> unitsOf.add(new ArrayList<>()));
        plan.units().forEach(unit -> unitsOf.get(unit.tensor()).add(unit));
        List<TensorRange> ranges = new ArrayList<>();
        for (PlannedTensor tensor : plan.tensors()) {
            ranges.add(range(tensor, unitsOf.get(tensor.index()), units));
        }
        Checked[] checked = new Checked[ranges.size()];
        List<Integer> open = plan.tensors().stream().map(PlannedTensor::index).toList();
        for (int round = 0; !open.isEmpty(); round++) {
            List<Checked> read = read(round == 0 ? "validate" : "validate again", open, ranges);
            List<Integer> damaged = new ArrayList<>();
            List<WorkUnit> again = new ArrayList<>();
            for (int i = 0; i < read.size(); i++) {
                int tensor = open.get(i);
                checked[tensor] = read.get(i);
                if (read.get(i).reason() != null) {
                    requireMayBeMadeAgain(ranges.get(tensor), tensor, read.get(i), round);
                    damaged.add(tensor);
                    read.get(i)
                            .damaged()
                            .forEach(slice -> again.add(unitsOf.get(tensor).get(slice)));
                }
            }
            if (!again.isEmpty()) {
                String note = "%d unit(s) of the output were made again: %s"
                        .formatted(again.size(), checked[damaged.get(0)].reason());
                progress.say("spark-gguf: " + note);
                notes.add(note);
                redo.run(again);
            }
            open = damaged;
        }
        return Arrays.stream(checked).map(Checked::digest).toList();
    }

    private void requireMayBeMadeAgain(TensorRange range, int tensor, Checked found, int round) throws IOException {
        String reason = "Cannot accept " + range.file() + ": " + found.reason();
        if (outputs.inPlace(plan.tensors().get(tensor).output()).isEmpty()) {
            throw new InvalidInputException(reason);
        }
        if (round == Assembly.ROUNDS) {
            throw new IOException(reason + ", also after it was made again " + round + " times");
        }
    }

    private List<Checked> read(String stage, List<Integer> tensors, List<TensorRange> ranges) throws IOException {
        TensorReader reader = new TensorReader(storage);
        return Stage.of(stage, tensors.stream().map(ranges::get).toList(), reader::run)
                .cost(TensorRange::bytes)
                .size(TensorRange::bytes)
                .run(session, progress);
    }

    private TensorRange range(PlannedTensor tensor, List<WorkUnit> own, List<UnitResult> units) {
        Optional<String> readable = readable(tensor.output());
        List<TensorRange.Slice> slices = new ArrayList<>();
        for (WorkUnit unit : own) {
            UnitResult made = units.get(unit.id());
            slices.add(new TensorRange.Slice(
                    unit.bytes(), made.digest(), readable.isPresent() ? null : work.part(made.part())));
        }
        return new TensorRange(
                tensor.name(),
                tensor.type(),
                readable.orElse(plan.files().get(tensor.output()).file()),
                tensor.offset(),
                tensor.bytes(),
                slices);
    }

    private Optional<String> readable(int file) {
        return outputs.commits().get(file).readable();
    }

    /** The file as far as it can be read before it is published: all of it, or the header that was sent. */
    private RangeReader reader(int file) throws IOException {
        Optional<String> readable = readable(file);
        return readable.isPresent()
                ? storage.open(readable.get())
                : new SentHeader(plan.files().get(file), storage.open(work.header(file)));
    }
}
