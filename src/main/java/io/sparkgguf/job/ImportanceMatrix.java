package io.sparkgguf.job;

import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.format.imatrix.ImatrixFile;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.storage.PinnedStorage;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The importance matrix of a run: the file, and the entries that the run may use.
 *
 * @param file its index
 * @param status the file as it was when it was opened
 * @param entries what the filters left, by tensor name
 * @param unmatched entries that name no tensor of the model, in order
 */
public record ImportanceMatrix(
        ImatrixFile file, FileStatus status, Map<String, ImatrixEntry> entries, List<String> unmatched) {

    /**
     * Opens the matrix for a model.
     *
     * @param tensors names of the model's tensors
     * @throws InvalidInputException when it is damaged, or none of its entries names a tensor of the model
     */
    static ImportanceMatrix open(Storage storage, String file, ImportanceFilter filter, Set<String> tensors)
            throws IOException {
        if (!storage.exists(file)) {
            throw new InvalidInputException("Cannot open imatrix " + file + ": no such file");
        }
        PinnedStorage seen = PinnedStorage.atFirstSight(storage);
        ImatrixFile index = ImatrixFile.read(seen, file);
        List<String> unmatched = new ArrayList<>();
        for (String name : index.entries().keySet()) {
            if (!tensors.contains(name)) {
                unmatched.add(name);
            }
        }
        if (unmatched.size() == index.entries().size()) {
            throw new InvalidInputException("Cannot use imatrix " + file + ": none of its " + unmatched.size()
                    + " entries names a tensor of this model (the first is " + unmatched.get(0)
                    + "); it belongs to another one");
        }
        return new ImportanceMatrix(
                index, seen.pinned().get(file), filter.apply(index.entries()), List.copyOf(unmatched));
    }

    /** What people should know about it. */
    List<String> warnings() {
        List<String> warnings = new ArrayList<>();
        if (!unmatched.isEmpty()) {
            warnings.add("%d of %d entries of the imatrix name no tensor of this model, for example %s"
                    .formatted(unmatched.size(), file.entries().size(), unmatched.get(0)));
        }
        return warnings;
    }
}
