package io.sparkgguf.plan;

import io.sparkgguf.format.gguf.GgufLayout;
import io.sparkgguf.format.gguf.GgufSplit;
import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.mix.TypeChoice;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToIntFunction;

/** Lays out the output and cuts the work. Reads nothing: all follows from shapes, types and metadata. */
public final class Planner {
    private final Metadata metadata;
    private final Map<String, ModelTensor> tensors;
    private final List<TypeChoice> choices;

    /**
     * @param metadata all that the file will say
     * @param tensors the model's tensors by name
     * @param choices their types, in the order of the file
     */
    public Planner(Metadata metadata, Map<String, ModelTensor> tensors, List<TypeChoice> choices) {
        this.metadata = metadata;
        this.tensors = tensors;
        this.choices = List.copyOf(choices);
    }

    /** One file. */
    public List<GgufLayout> whole() {
        return List.of(GgufLayout.of(metadata, entries()));
    }

    /** Files of at most {@code maxBytes}. */
    public List<GgufLayout> splitBySize(long maxBytes) {
        return GgufSplit.bySize(metadata, entries(), maxBytes);
    }

    /** The shards of the source again; the choices are in their order. */
    public List<GgufLayout> splitByShard(int shards, ToIntFunction<String> shardOf) {
        return GgufSplit.byShard(metadata, entries(), shards, shardOf);
    }

    private List<GgufLayout.Entry> entries() {
        return choices.stream()
                .map(choice -> new GgufLayout.Entry(choice.name(), choice.shape(), choice.type()))
                .toList();
    }

    /**
     * The plan.
     *
     * @param output the file to write, or the name that those of a split are made from
     * @param layouts one for each file, together holding the choices in their order
     * @param importance the importance of a tensor by its name, or null for none
     * @param unitMemory bytes that a unit may read and write, and hold
     */
    public Plan plan(
            String output, List<GgufLayout> layouts, Function<String, ImatrixEntry> importance, long unitMemory) {
        return plan(output, layouts, importance, unitMemory, choice -> null);
    }

    /**
     * The same with tensors that are solved.
     *
     * @param solved what solving a tensor holds, or null when it is rounded
     */
    public Plan plan(
            String output,
            List<GgufLayout> layouts,
            Function<String, ImatrixEntry> importance,
            long unitMemory,
            Function<TypeChoice, SolveCost> solved) {
        UnitCutter cutter = new UnitCutter(unitMemory);
        List<String> names = GgufSplit.fileNames(output, layouts.size());
        List<OutputFile> files = new ArrayList<>();
        List<PlannedTensor> planned = new ArrayList<>();
        List<WorkUnit> units = new ArrayList<>();
        for (int file = 0; file < layouts.size(); file++) {
            GgufLayout layout = layouts.get(file);
            files.add(new OutputFile(
                    names.get(file),
                    layout.header(),
                    layout.length(),
                    layout.tensors().size()));
            for (int i = 0; i < layout.tensors().size(); i++) {
                TypeChoice choice = choices.get(planned.size());
                PlannedTensor tensor = new PlannedTensor(
                        planned.size(),
                        tensors.get(choice.name()),
                        choice,
                        file,
                        layout.start(i),
                        choice.bytes(),
                        importance(choice, importance));
                requireFormats(tensor);
                planned.add(tensor);
                units.addAll(cutter.cut(tensor, units.size(), solved.apply(choice)));
            }
        }
        return new Plan(files, planned, units);
    }

    private static ImportanceSource importance(TypeChoice choice, Function<String, ImatrixEntry> importance) {
        ImatrixEntry entry = importance.apply(choice.name());
        if (entry == null
                || choice.isCopied()
                || !BlockFormats.of(choice.type()).usesImportance()) {
            return null;
        }
        entry.requireFits(choice.shape());
        return new ImportanceSource(entry, Math.toIntExact(ImatrixEntry.matrices(choice.shape())), 0);
    }

    private static void requireFormats(PlannedTensor tensor) {
        if (tensor.isCopied()) {
            return;
        }
        if (!BlockFormats.of(tensor.source().encoding()).decodes()) {
            throw new InvalidInputException("Cannot quantize tensor " + tensor.name() + ": "
                    + tensor.source().encoding().label() + " has no decoder here yet; it can only be copied");
        }
        if (!BlockFormats.of(tensor.type()).encodes()) {
            throw new InvalidInputException("Cannot quantize tensor " + tensor.name() + " to "
                    + tensor.type().label() + ": it has no encoder here yet");
        }
    }
}
