/** What is made when it is first asked for, and made anew when what it is made of has changed. */
export class Kept {
  #made = new Map(); // name -> {of, value}

  /** The value of a name, made of the values in `of`: strings, numbers and objects that are the same ones. */
  get(name, of, make) {
    const known = this.#made.get(name);
    if (known?.of.length === of.length && known.of.every((part, number) => part === of[number])) return known.value;
    const value = make();
    this.#made.set(name, { of, value });
    return value;
  }
}
